//! Certificates that end soon.

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_api::certificate_authority::{CertificateAuthority, Replica};

use super::finding::Finding;
use crate::age;

/// Of a certificate's life: it is renewed from one third on, so what has less left was not, and alerts say so too.
const LIFE_LEFT: i32 = 4;
/// Of one of which no server noted how long it lives.
const LEAF_SOON: TimeDelta = TimeDelta::hours(12);
/// A rotation of the CA waits for every agent.
const ROOT_SOON: TimeDelta = TimeDelta::days(30);

/// As in `ends in 5d` and `ended 2h ago`.
pub(super) fn ends(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if until > now { format!("ends in {}", age::ago(now, until)) } else { format!("ended {} ago", age::ago(until, now)) }
}

/// Whether an agent's or a replica's should have been renewed by now.
pub(super) fn is_late(until: DateTime<Utc>, life_s: Option<i64>, now: DateTime<Utc>) -> bool {
    let left = life_s.and_then(TimeDelta::try_seconds).map_or(LEAF_SOON, |life| life / LIFE_LEFT);
    until - now < left
}

/// Roots, and the replicas' own.
pub(super) fn authority(authority: &CertificateAuthority, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in authority.roots.iter().filter(|root| root.role == "Signs" && root.expires_at - now < ROOT_SOON) {
        let text = format!(
            "the root that signs {}: begin to rotate the CA, as docs/certificates.md says (`lockstep ca status`)",
            ends(root.expires_at, now)
        );
        findings.push(if root.expires_at > now {
            Finding::warn("certificates", text)
        } else {
            Finding::fail("certificates", text)
        });
    }
    let is_late = |replica: &&Replica| is_late(replica.certificate_expires_at, replica.certificate_life_seconds, now);
    for replica in authority.replicas.iter().filter(is_late) {
        let (name, ends) = (&replica.name, ends(replica.certificate_expires_at, now));
        findings
            .push(Finding::warn("certificates", format!("that of replica {name} {ends} and was not renewed: its log says why")));
    }
    if findings.is_empty() {
        let text = format!(
            "{} roots and {} replicas have long enough; the CA is {}",
            authority.roots.len(),
            authority.replicas.len(),
            authority.phase
        );
        findings.push(Finding::ok("certificates", text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_late_by_its_own_life() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let (hour, day, year) = (3_600, 86_400, 365 * 86_400);
        for (left_s, life_s, late) in [
            // A week's: less than 42 hours.
            (41 * hour, Some(7 * day), true),
            (43 * hour, Some(7 * day), false),
            // Of one that lives an hour, 12 hours say nothing; and a year's has a quarter left long before.
            (20 * 60, Some(hour), false),
            (10 * 60, Some(hour), true),
            (80 * day, Some(year), true),
            (11 * hour, None, true),
            (13 * hour, None, false),
        ] {
            assert_eq!(is_late(now + TimeDelta::seconds(left_s), life_s, now), late, "{left_s} s of {life_s:?}");
        }
    }
}
