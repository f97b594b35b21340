//! What is known of one issuer's keys, and when it is asked again. Without I/O: times come in.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::key::Key;
use super::provider::Failure;

/// How often an issuer is asked, and how long its answer holds.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two times, whatever tokens come: a token may name any key, and its author needs to be nobody.
    pub pause: Duration,
    /// After this long an issuer is asked again, so that a key which it withdrew is not trusted much longer.
    pub fresh: Duration,
    /// How long keys are trusted without another answer.
    pub trusted: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self { pause: Duration::from_secs(5), fresh: 10 * MINUTE, trusted: 24 * 60 * MINUTE }
    }
}

/// One issuer's keys.
pub(super) struct Keyring {
    pace: Pace,
    held: Option<Held>,
    /// When the issuer last answered, or did not.
    asked: Option<Instant>,
    /// What came of it, if it was no answer.
    failure: Option<Failure>,
}

struct Held {
    keys: Arc<[Key]>,
    since: Instant,
}

impl Keyring {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, held: None, asked: None, failure: None }
    }

    /// The keys, or why there are none.
    pub(super) fn keys(&self, now: Instant) -> Result<Arc<[Key]>, Failure> {
        let held = self.held.as_ref().filter(|held| now - held.since < self.pace.trusted);
        held.map(|held| held.keys.clone()).ok_or_else(|| self.failure.clone().unwrap_or(Failure::NotAsked))
    }

    /// Why the issuer did not answer last time.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.clone()
    }

    /// Whether a newer answer is wanted for a token whose key is among those held, or is not.
    pub(super) fn is_wanting(&self, is_known: bool, now: Instant) -> bool {
        !is_known || self.held.as_ref().is_none_or(|held| now - held.since >= self.pace.fresh)
    }

    /// Whether the issuer may be asked already.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now - asked >= self.pace.pause)
    }

    /// Takes what the issuer answered. Without an answer the keys stay.
    pub(super) fn take(&mut self, answer: Result<Vec<Key>, Failure>, now: Instant) {
        self.asked = Some(now);
        match answer {
            Ok(keys) => {
                self.held = Some(Held { keys: keys.into(), since: now });
                self.failure = None;
            }
            Err(failure) => self.failure = Some(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{key, keys};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(at: Instant) -> Keyring {
        let mut keyring = Keyring::new(Pace::default());
        keyring.take(Ok(keys(&[key("a")])), at);
        keyring
    }

    #[test]
    fn an_issuer_is_asked_first_then_for_unknown_keys_and_after_a_while() {
        let (pace, start) = (Pace::default(), Instant::now());
        let nothing = Keyring::new(pace);
        assert!(nothing.is_wanting(false, start) && nothing.may_ask(start));
        assert_eq!(nothing.keys(start).err(), Some(Failure::NotAsked));

        let keyring = answered(start);
        assert_eq!(keyring.keys(start).map(|keys| keys.len()).ok(), Some(1));
        assert!(!keyring.is_wanting(true, start + pace.fresh - SECOND) && keyring.is_wanting(true, start + pace.fresh));
        assert!(keyring.is_wanting(false, start));
    }

    #[test]
    fn tokens_of_unknown_keys_ask_no_more_than_once_in_a_pause() {
        let (pace, start) = (Pace::default(), Instant::now());
        let mut keyring = answered(start);
        assert!(!keyring.may_ask(start + pace.pause - SECOND) && keyring.may_ask(start + pace.pause));
        // Nor where the issuer is away.
        keyring.take(Err(Failure::NotAsked), start + pace.pause);
        assert!(!keyring.may_ask(start + 2 * pace.pause - SECOND) && keyring.may_ask(start + 2 * pace.pause));
    }

    #[test]
    fn keys_outlive_an_issuer_that_is_away_by_a_day() {
        let (pace, start) = (Pace::default(), Instant::now());
        let mut keyring = answered(start);
        let failure = Failure::Status { what: "discovery document", status: 503 };
        keyring.take(Err(failure.clone()), start + pace.fresh);
        assert!(keyring.keys(start + pace.trusted - SECOND).is_ok());
        assert_eq!(keyring.failure(), Some(failure.clone()));
        assert_eq!(keyring.keys(start + pace.trusted).err(), Some(failure));
        keyring.take(Ok(keys(&[key("b")])), start + pace.trusted);
        assert!(keyring.keys(start + pace.trusted).is_ok() && keyring.failure().is_none());
    }
}
