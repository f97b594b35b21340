use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::revision::{Epoch, Revision, Seq};
use serde_json::json;

use super::{at, content, id, keys, owner, stamp};
use crate::sink::secret::mark::{Changed, SecretMark};
use crate::sink::secret::object::ObjectMeta;

/// A second of a day of tests.
fn second(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

#[test]
fn a_change_came_when_the_api_server_says_that_it_was_written() {
    let revision = |seq| Revision { epoch: Epoch::new(1), seq: Seq::new(seq) };
    // The mark's revision, the API server's time, when the content counts as there; the agent said 100.
    for (seq, written, want, why) in [
        (5, Some(99), 100, "both clocks agree"),
        (5, Some(104), 105, "a slow write, or a clock that is behind"),
        (5, Some(40), 100, "a clock that is ahead: pods in between are restarted once too often"),
        (5, Some(900), 100, "a repair with the same revision"),
        (6, Some(104), 100, "a later delivery of the same content"),
        (5, None, 100, "nobody says"),
    ] {
        let changed = Changed { revision: revision(5), at: second(100) };
        let stamp = stamp(seq, &content(&[("A", "a")]));
        let mark = SecretMark::sign(owner(1), None, &at("db"), &stamp, Some(changed), BTreeSet::new(), &keys(&[1])).unwrap();
        let times = written.map(|written| json!({ "manager": format!("lockstep.{}", id(1)), "time": second(written) }));
        let others = json!({ "manager": "kubectl", "time": second(130) });
        let entries: Vec<_> = times.into_iter().chain([others]).collect();
        let metadata: ObjectMeta = serde_json::from_value(json!({ "managedFields": entries })).unwrap();
        let changed = mark.written(&metadata, id(1)).changed().unwrap();
        assert_eq!((changed.revision, changed.at), (revision(5), second(want)), "{why}");
    }
}
