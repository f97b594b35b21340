//! Whether a certificate can be had as a rotation wants it, and is renewed at a pace that clusters can keep.

use std::time::Duration;

use chrono::TimeDelta;
use lockstep_api::field::Mistakes;
use lockstep_core::duration::print;
use lockstep_core::rotation::life::Share;
use lockstep_core::rotation::{By, CertificateRequest, RotationSpec};
use lockstep_vault::{PkiRole, Vault, VaultError};

pub(super) async fn check(
    vault: &Vault,
    wanted: &CertificateRequest,
    spec: &RotationSpec,
    mistakes: &mut Mistakes,
) -> Result<(), VaultError> {
    let CertificateRequest { mount, role: name, ttl, .. } = wanted;
    let role = match vault.pki_role(mount, name).await {
        Ok(role) => role,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            mistakes.add("spec.pki.role", format!("the PKI engine {mount} has no role {name}: {error}"));
            return Ok(());
        }
    };
    if let (By::Life(share), Some(life)) = (&spec.timing.by, life(&role, *ttl))
        && let Some(why) = unfit(*share, life, role.dated_back, spec.confirm.deadline, spec.timing.jitter)
    {
        mistakes.add("spec.pki.renewAtPercent", why);
    }
    Ok(())
}

/// How long a certificate lives from when it is issued; `None`: as the engine has it, which only its operator sees.
fn life(role: &PkiRole, asked: Option<Duration>) -> Option<Duration> {
    let life = asked.or(role.ttl).or(role.max_ttl)?;
    Some(role.max_ttl.map_or(life, |max| life.min(max)))
}

/// Why renewing at this share would not do; `None`: it does.
fn unfit(share: Share, life: Duration, dated_back: Duration, deadline: Duration, jitter: Duration) -> Option<String> {
    let span = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    let every = (share.of(span(life + dated_back)) - span(dated_back)).to_std().unwrap_or_default();
    let left = life.saturating_sub(every);
    let begin = format!("a certificate lives for {} by the role and ttl", print(life));
    if every <= deadline {
        return Some(format!(
            "{begin}, so at {share} of its life it is renewed every {}, and clusters are waited for up to {} (confirm.deadline): shorten that, or have \
             certificates live longer",
            print(every),
            print(deadline)
        ));
    }
    (left <= deadline + jitter).then(|| {
        format!(
            "{begin}, so {} are left of it when it is due, and jitter and confirm.deadline may take {}: renew it earlier, or shorten these",
            print(left),
            print(deadline + jitter)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_that_clusters_cannot_keep_up_with_is_told_with_what_takes_how_long() {
        let s = Duration::from_secs;
        let (half_hour, none) = (s(1_800), Duration::ZERO);
        for (percent, life, deadline, jitter, says) in [
            (66, s(30 * 86_400), half_hour, s(3_600), None),
            (66, s(7_200), half_hour, none, None),
            (66, s(2_400), half_hour, none, Some("it is renewed every 26m13s, and clusters are waited for up to 30m")),
            // Dated back by more than the share: due before it is there.
            (10, s(60), none, none, Some("renewed every 0s")),
            (90, s(7_200), half_hour, none, Some("so 12m3s are left of it when it is due")),
            (66, s(7_200), half_hour, s(3_600), Some("jitter and confirm.deadline may take 1h30m")),
        ] {
            let why = unfit(percent.try_into().unwrap(), life, s(30), deadline, jitter);
            match (says, &why) {
                (None, None) => {}
                (Some(says), Some(why)) => assert!(why.contains(says), "{why}\nsays not: {says}"),
                _ => panic!("{percent} {life:?} {deadline:?} {jitter:?}: {why:?}"),
            }
        }
    }
}
