//! What a restart writes into a pod template, and reads there again: all that is remembered of it.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, SubsecRound as _, Utc};
use lockstep_core::revision::{Epoch, Revision, Seq};
use serde_json::{Value, json};

use super::kind::Workload;
use super::seen::Seen;

/// The field manager of the two annotations, and of nothing else. It is not the sink's: giving up a Secret must not take the
/// annotations along, which would restart the workload.
pub(super) const FIELD_MANAGER: &str = "lockstep-restart";
/// On a pod template: `<epoch>.<seq>` of the newest change that it was restarted for.
pub(super) const RESTARTED_FOR: &str = "lockstep.dev/restarted-for";
/// On a pod template: when.
pub(super) const RESTARTED_AT: &str = "lockstep.dev/restarted-at";
/// On a workload, `"false"`: leave it alone.
pub(super) const RESTART: &str = "lockstep.dev/restart";

/// A restart, as a pod template tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Restarted {
    /// Content of any binding up to this revision is in, as far as it was here then.
    pub(super) revision: Revision,
    /// Content that was here by then is in. In microseconds, as all our times.
    pub(super) at: DateTime<Utc>,
}

impl Restarted {
    /// What the annotations say. Text that is not ours counts as none; a missing time as long ago.
    pub(super) fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let (epoch, seq) = annotations.get(RESTARTED_FOR)?.split_once('.')?;
        let revision = Revision { epoch: Epoch::new(epoch.parse().ok()?), seq: Seq::new(seq.parse().ok()?) };
        let at = annotations.get(RESTARTED_AT).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        Some(Self { revision, at: at.map_or(DateTime::UNIX_EPOCH, |at| at.to_utc().trunc_subsecs(6)) })
    }

    /// A server-side apply of the two annotations alone. The uid keeps it from making a workload that is gone, the resource
    /// version from restarting one that was paused a moment ago.
    pub(super) fn patch(self, workload: &Workload, seen: &Seen) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": workload.kind.as_str(),
            "metadata": {
                "name": workload.name,
                "namespace": workload.namespace,
                "uid": seen.uid,
                "resourceVersion": seen.resource_version,
            },
            "spec": { "template": { "metadata": { "annotations": {
                RESTARTED_FOR: self.revision.to_string(),
                RESTARTED_AT: self.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            } } } },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(revision: &str, at: &str) -> BTreeMap<String, String> {
        [(RESTARTED_FOR, revision), (RESTARTED_AT, at)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn what_was_written_is_read_again_and_other_text_is_none() {
        let at = DateTime::parse_from_rfc3339("2026-01-02T03:04:05.678901Z").unwrap().to_utc();
        let restarted = Restarted { revision: Revision { epoch: Epoch::new(2), seq: Seq::new(17) }, at };
        let workload = Workload { namespace: "shop".into(), kind: super::super::Kind::Deployment, name: "a".into() };
        let patch = restarted.patch(&workload, &Seen::default());
        let written = serde_json::from_value(patch["spec"]["template"]["metadata"]["annotations"].clone()).unwrap();
        assert_eq!(written, annotations("2.17", "2026-01-02T03:04:05.678901Z"));
        assert_eq!(Restarted::read(&written), Some(restarted));
        for text in ["", "17", "2.x", "2.17.1", "-1.2", "2."] {
            assert_eq!(Restarted::read(&annotations(text, "2026-01-02T03:04:05Z")), None, "{text:?}");
        }
        assert_eq!(Restarted::read(&annotations("2.17", "yesterday")).unwrap().at, DateTime::UNIX_EPOCH);
        assert_eq!(Restarted::read(&BTreeMap::new()), None);
    }
}
