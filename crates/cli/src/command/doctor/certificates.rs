//! Certificates that end soon.

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_api::certificate_authority::CertificateAuthority;

use super::finding::Finding;
use crate::age;

/// Certificates live for a week, or for a day where that was configured, and are renewed from a third of that on.
pub(super) const LEAF_SOON: TimeDelta = TimeDelta::hours(12);
/// A rotation of the CA waits for every agent.
const ROOT_SOON: TimeDelta = TimeDelta::days(30);

/// As in `ends in 5d` and `ended 2h ago`.
pub(super) fn ends(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if until > now { format!("ends in {}", age::ago(now, until)) } else { format!("ended {} ago", age::ago(until, now)) }
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
    for replica in authority.replicas.iter().filter(|replica| replica.certificate_expires_at - now < LEAF_SOON) {
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
