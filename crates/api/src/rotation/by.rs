//! What makes runs due: a schedule, or the age of a certificate.

use lockstep_core::rotation::By;
use lockstep_core::rotation::life::{SHARE_DEFAULT, Share};
use lockstep_core::schedule::Schedule;

use super::RotationSpec;
use crate::field::Mistakes;

pub(super) fn check(wire: &RotationSpec, mistakes: &mut Mistakes) -> Option<By> {
    let percent = wire.pki.as_ref().and_then(|pki| pki.renew_at_percent);
    match (&wire.schedule, percent) {
        (Some(_), Some(_)) => {
            mistakes.add("spec.pki.renewAtPercent", "there is a schedule as well: use one of them");
            None
        }
        (Some(text), None) => mistakes.take("spec.schedule", Schedule::new(text, wire.time_zone.as_deref())).map(By::Schedule),
        (None, _) if wire.pki.is_none() => {
            mistakes
                .add("spec.schedule", "missing: only a pki rotation can do without, and is due by its certificate's age then");
            None
        }
        (None, percent) => by_life(wire, percent, mistakes),
    }
}

/// A certificate is due until there is another: there is nothing that could be missed.
fn by_life(wire: &RotationSpec, percent: Option<u8>, mistakes: &mut Mistakes) -> Option<By> {
    for (field, is_there) in [
        ("timeZone", wire.time_zone.is_some()),
        ("startingDeadlineSeconds", wire.starting_deadline_seconds.is_some()),
        ("missedRuns", wire.missed_runs.is_some()),
    ] {
        if is_there {
            mistakes.add(
                format!("spec.{field}"),
                "is of a schedule, and there is none: the certificate is renewed at a share of its life",
            );
        }
    }
    let share = percent.map_or(Ok(SHARE_DEFAULT), Share::try_from);
    mistakes.take("spec.pki.renewAtPercent", share).map(By::Life)
}

/// Puts it into a manifest's spec, as it was written.
pub(super) fn show(by: &By, wire: &mut RotationSpec) {
    match by {
        By::Schedule(schedule) => {
            wire.schedule = Some(schedule.text().to_owned());
            wire.time_zone = schedule.time_zone().map(str::to_owned);
        }
        By::Life(share) => {
            if let Some(pki) = &mut wire.pki {
                pki.renew_at_percent = Some(share.percent());
            }
        }
    }
}
