//! What a rotation's timing says now: by its schedule, or by the age of its certificate.

use chrono::{DateTime, Utc};
use lockstep_core::rotation::By;
use lockstep_core::rotation::life::{Issued, SHARE_DEFAULT, Share};
use lockstep_core::schedule::{Due, due, start_of};
use lockstep_store::meta::Registered;
use lockstep_store::rotation::{RotationRecord, Timetable};
use lockstep_store::rotation_run::issued;
use lockstep_store::{PgConnection, Result};

use super::{LOOK_AGAIN, LOOK_AT_LEAST, LOOK_SELDOM};

/// What it says.
pub(super) struct Decided {
    /// What to do about it.
    pub(super) due: Due,
    /// Where the age of a certificate decides.
    issued: Option<Issued>,
}

impl Decided {
    /// Asks the registry what it has to know.
    pub(super) async fn of(
        connection: &mut PgConnection,
        found: &Registered<RotationRecord>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let RotationRecord { spec, timetable, kind_at, .. } = &found.spec;
        let timing = &spec.timing;
        let known = match spec.kind.secret() {
            Some(secret) if found.spec.own.is_some() || matches!(timing.by, By::Life(_)) => {
                Some(issued(connection, found.id.into(), *kind_at, secret).await?)
            }
            _ => None,
        };
        match (&timing.by, known) {
            // A cluster that was placed gets its first at once, whatever the schedule says of the next.
            (By::Schedule(_), Some(issued)) if issued.done_at.is_none() => Ok(Self::by_age(issued, SHARE_DEFAULT, now)),
            (By::Life(share), Some(issued)) => Ok(Self::by_age(issued, *share, now)),
            (By::Life(_), None) => {
                Ok(Self { due: Due { claim: None, missed: 0, skipped_through: None, next: None }, issued: None })
            }
            (By::Schedule(schedule), _) => {
                let due = due(schedule, timing.starting_deadline, timing.missed, timetable.settled_at, now);
                Ok(Self { due, issued: None })
            }
        }
    }

    fn by_age(issued: Issued, share: Share, now: DateTime<Utc>) -> Self {
        let at = issued.due(share);
        let is_due = at <= now;
        let due = Due { claim: is_due.then_some(at), missed: 0, skipped_through: None, next: (!is_due).then_some(at) };
        Self { due, issued: Some(issued) }
    }

    /// When the run starts that is due then.
    pub(super) fn start(&self, found: &Registered<RotationRecord>, due_at: DateTime<Utc>) -> DateTime<Utc> {
        let by_jitter = start_of(found.id, due_at, found.spec.spec.timing.jitter);
        self.issued.map_or(by_jitter, |issued| issued.start(due_at, by_jitter))
    }

    /// When the certificate that there is ends.
    pub(super) fn end(&self) -> Option<DateTime<Utc>> {
        Some(self.issued?.life?.not_after)
    }

    /// How the timetable stands when everything up to then is settled.
    pub(super) fn after(&self, found: &Registered<RotationRecord>, settled_at: DateTime<Utc>, now: DateTime<Utc>) -> Timetable {
        let due_at = self.due.next;
        let start = due_at.map(|due| self.start(found, due));
        let look_at = match (self.issued, start) {
            (None, start) => start.unwrap_or(now + LOOK_SELDOM),
            // A run by hand, or whoever writes the secret, makes another time of it.
            (Some(_), Some(start)) => start.min(now + LOOK_AT_LEAST),
            (Some(_), None) => now + LOOK_AGAIN,
        };
        Timetable { settled_at, due_at, look_at, waits_for: None }
    }
}
