//! KV version 2's metadata, as bodies have it.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, SubsecRound as _, Utc};
use lockstep_core::rollback::{Fate, Versions};
use lockstep_core::version::{CurrentVersion, Incarnation, Mark, Seen, Version, VersionId, VersionNumber};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The part of a secret's metadata that we use. Custom metadata is left out: its owners may have written anything there.
#[derive(Deserialize)]
pub(crate) struct Metadata<'a> {
    #[serde(deserialize_with = "time")]
    created_time: DateTime<Utc>,
    current_version: u64,
    /// Only the current one is parsed: a secret may have many, and a scan many secrets.
    #[serde(borrow, default)]
    versions: HashMap<Cow<'a, str>, &'a RawValue>,
}

/// One version's own fields, in the metadata and beside the data.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionFields {
    #[serde(deserialize_with = "time")]
    pub(crate) created_time: DateTime<Utc>,
    #[serde(deserialize_with = "time_or_empty")]
    pub(crate) deletion_time: Option<DateTime<Utc>>,
    pub(crate) destroyed: bool,
}

/// Vault writes nanoseconds, Postgres keeps microseconds. A time is part of a version's identity and is compared for equality after it was
/// stored, so what Postgres would drop is dropped here, where times come in.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::<Utc>::deserialize(deserializer).map(|time| time.trunc_subsecs(6))
}

/// `""` is Vault's way to say that there is no time.
fn time_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    DateTime::parse_from_rfc3339(&text).map(|time| Some(time.to_utc())).map_err(D::Error::custom)
}

impl Metadata<'_> {
    /// What it shows; `None` when it contradicts itself.
    pub(crate) fn seen(&self) -> Option<Seen> {
        let Some(number) = VersionNumber::new(self.current_version) else {
            return Some(Seen::Nothing);
        };
        let fields: VersionFields = serde_json::from_str(self.versions.get(number.to_string().as_str())?.get()).ok()?;
        let id = VersionId { incarnation: Incarnation(self.created_time), number };
        Some(Seen::Current(CurrentVersion {
            version: Version { id, created: fields.created_time, mark: Mark::None },
            deletion_time: fields.deletion_time,
            destroyed: fields.destroyed,
        }))
    }

    /// All that are kept; `None` when one cannot be read.
    pub(crate) fn versions_at(&self, now: DateTime<Utc>) -> Option<Versions> {
        let one = |(number, fields): (&Cow<'_, str>, &&RawValue)| {
            let fields: VersionFields = serde_json::from_str(fields.get()).ok()?;
            let fate = match fields.deletion_time {
                _ if fields.destroyed => Fate::Destroyed,
                Some(time) if time <= now => Fate::Deleted,
                _ => Fate::Live,
            };
            Some((VersionNumber::new(number.parse().ok()?)?, fate))
        };
        let fates = self.versions.iter().map(one).collect::<Option<_>>()?;
        Some(Versions { incarnation: Incarnation(self.created_time), fates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(json: &str) -> Option<Seen> {
        serde_json::from_str::<Metadata<'_>>(json).expect("metadata").seen()
    }

    const TIME: &str = "2026-01-02T03:04:05.678901234Z";

    #[test]
    fn a_current_version_keeps_its_own_fields() {
        let json = format!(
            r#"{{"created_time":"{TIME}","current_version":2,"versions":{{
                "1":{{"created_time":"{TIME}","deletion_time":"","destroyed":true}},
                "2":{{"created_time":"{TIME}","deletion_time":"{TIME}","destroyed":false}}}}}}"#
        );
        let Some(Seen::Current(current)) = seen(&json) else { panic!("no version") };
        assert_eq!(current.version.id.number.get(), 2);
        assert!(current.deletion_time.is_some() && !current.destroyed);
    }

    #[test]
    fn times_that_identify_a_version_are_cut_to_what_postgres_keeps() {
        let json = format!(
            r#"{{"created_time":"{TIME}","current_version":1,"versions":{{
                "1":{{"created_time":"{TIME}","deletion_time":"","destroyed":false}}}}}}"#
        );
        let Some(Seen::Current(current)) = seen(&json) else { panic!("no version") };
        assert_eq!(current.version.created.timestamp_subsec_nanos(), 678_901_000);
        assert_eq!(current.version.id.incarnation.0.timestamp_subsec_nanos(), 678_901_000);
    }

    #[test]
    fn metadata_without_a_version_shows_nothing_and_a_contradiction_is_no_answer() {
        let with = |versions: &str, current: u64| {
            seen(&format!(r#"{{"created_time":"{TIME}","current_version":{current},"versions":{versions}}}"#))
        };
        assert_eq!(with("{}", 0), Some(Seen::Nothing));
        assert_eq!(with("{}", 1), None);
        assert_eq!(with(r#"{"1":{"created_time":"yesterday"}}"#, 1), None);
    }
}
