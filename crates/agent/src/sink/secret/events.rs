//! Kubernetes Events on Secrets, for people who look there. They are a courtesy: few, and what cannot be written is not missed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::json;

use super::Shared;
use super::location::Location;
use crate::sink::{SinkError, Stamp};

/// How many Events may come at once, …
const EVENTS_BURST: u32 = 25;
/// … and one more each time this is over.
const EVENT_INTERVAL: Duration = Duration::from_secs(2);
/// The same Event on the same Secret comes at most once in this time.
const SAME_INTERVAL: Duration = Duration::from_mins(10);
/// How many Events are remembered for that.
const REMEMBERED_MAX: usize = 1000;
/// The longest note (Kubernetes' own limit).
const NOTE_MAX_BYTES: usize = 1024;
const CONTROLLER: &str = "lockstep.dev/agent";

/// What an Event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// Content was written.
    Applied,
    /// It belongs to somebody else.
    Conflict,
    /// The server sends nothing until a person decides.
    Held,
}

/// Which Events may be written.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    /// Of the burst, and when some of it last came back.
    count: u32,
    since: Duration,
    told: HashMap<(Location, Reason), (Duration, String)>,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "Applied",
            Self::Conflict => "Conflict",
            Self::Held => "Held",
        }
    }
}

impl Budget {
    /// Whether this Event may be written at time `now`.
    fn allows(&self, now: Duration, location: &Location, reason: Reason, note: &str) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.told.retain(|_, (at, _)| now.saturating_sub(*at) < SAME_INTERVAL);
        let key = (location.clone(), reason);
        let is_same = spent.told.get(&key).is_some_and(|(_, told)| told == note);
        let back = u32::try_from(now.saturating_sub(spent.since).as_nanos() / EVENT_INTERVAL.as_nanos()).unwrap_or(u32::MAX);
        if back > 0 {
            spent.count = spent.count.saturating_sub(back);
            spent.since = now;
        }
        if is_same || spent.count >= EVENTS_BURST || spent.told.len() >= REMEMBERED_MAX {
            return false;
        }
        spent.count += 1;
        spent.told.insert(key, (now, note.to_owned()));
        true
    }
}

/// What is told of a delivery. `Ok(false)`: nothing had to be written.
pub(super) fn of(stamp: &Stamp, result: &Result<bool, SinkError>) -> Option<(Reason, String)> {
    match result {
        Ok(true) => Some((Reason::Applied, format!("content of revision {} was written", stamp.revision))),
        Err(SinkError::Conflict(cause)) => Some((Reason::Conflict, cause.clone())),
        Ok(false) | Err(_) => None,
    }
}

impl Shared {
    /// Writes an Event, or does not.
    pub(super) async fn tell(&self, location: &Location, reason: Reason, note: &str) {
        if !self.leadership.may_write() || !self.events.allows(self.clock.uptime(), location, reason, note) {
            return;
        }
        let Location { namespace, name } = location;
        let note = &note[..note.floor_char_boundary(NOTE_MAX_BYTES)];
        let event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "generateName": "lockstep-", "namespace": namespace },
            "eventTime": self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true),
            "reportingController": CONTROLLER,
            "reportingInstance": self.pod,
            "action": "Deliver",
            "reason": reason.as_str(),
            "type": if reason == Reason::Applied { "Normal" } else { "Warning" },
            "regarding": { "apiVersion": "v1", "kind": "Secret", "namespace": namespace, "name": name },
            "note": note,
        });
        if let Err(failure) = self.api.create(&format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"), &event).await {
            tracing::debug!(secret = %location, ?failure, "an Event cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_few_and_never_twice_the_same() {
        let at = |name: usize| Location { namespace: "n".parse().unwrap(), name: name.to_string() };
        let budget = Budget::default();
        let second = Duration::from_secs;
        assert!(budget.allows(second(0), &at(0), Reason::Applied, "a"));
        assert!(!budget.allows(second(1), &at(0), Reason::Applied, "a"), "the same");
        assert!(budget.allows(second(1), &at(0), Reason::Applied, "b") && budget.allows(second(1), &at(0), Reason::Held, "b"));
        let burst = (1..100).filter(|name| budget.allows(second(1), &at(*name), Reason::Applied, "a")).count();
        assert_eq!(burst, 22);
        let later = (100..200).filter(|name| budget.allows(second(9), &at(*name), Reason::Applied, "a")).count();
        assert_eq!(later, 4);
        assert!(budget.allows(second(700), &at(0), Reason::Applied, "b"), "long ago");
    }
}
