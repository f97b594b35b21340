//! What becomes of a change that the other replica tells.

use anyhow::bail;
use chrono::DateTime;
use lockstep_core::id::BindingId;
use lockstep_proto::convert::binding_id;
use lockstep_proto::node::CacheChange;
use lockstep_proto::node::cache_change::Change;

use crate::sink::csi::{Csi, Level};

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This binding is here as it is there: the same, or not at all.
    AsTold(BindingId),
    /// What is there of this binding cannot be used here, and why. Nothing of it is here any more.
    Refused(BindingId, String),
    /// How fresh all of it is.
    Level,
}

pub(super) fn take(csi: &Csi, change: CacheChange) -> anyhow::Result<Taken> {
    Ok(match change.change {
        Some(Change::Put(entry)) => {
            let binding = binding_id(&entry.binding)?;
            match csi.take(binding, &entry.sealed) {
                Ok(()) => Taken::AsTold(binding),
                Err(why) => {
                    csi.refuse(binding);
                    Taken::Refused(binding, why.to_string())
                }
            }
        }
        Some(Change::Removed(binding)) => {
            let binding = binding_id(&binding)?;
            csi.let_go(binding);
            Taken::AsTold(binding)
        }
        Some(Change::Level(level)) => {
            let confirmed = Some(level.confirmed_s).filter(|s| *s > 0).and_then(|s| DateTime::from_timestamp(s, 0));
            csi.set_level(Level { is_linked: level.linked, confirmed });
            Taken::Level
        }
        None => bail!("a change of a newer agent, which this one does not know"),
    })
}
