//! Comparing without writing, for a binding that only observes.

use std::collections::BTreeMap;
use std::ops::Add;

use lockstep_core::binding::SecretTarget;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use lockstep_core::render::Rendered;

use super::Shared;
use super::conflict;
use super::location::Location;
use super::memory::Look;
use crate::sink::{SinkError, Targets};

/// The version of the Secret in each namespace; empty where there is none.
pub(crate) type Versions = BTreeMap<Namespace, String>;

/// How much of the content is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Keys that are absent or have another value.
    pub(crate) would_change: u32,
    /// Keys in all.
    pub(crate) total: u32,
    /// In how many Secrets nothing would change, of how many.
    pub(crate) targets: Targets,
}

impl Add for Comparison {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let targets =
            Targets { applied: self.targets.applied + other.targets.applied, total: self.targets.total + other.targets.total };
        Self { would_change: self.would_change + other.would_change, total: self.total + other.total, targets }
    }
}

impl Shared {
    /// Compares one Secret, whoever owns its keys; says which version of it. Where a delivery would be refused whatever it adopts, so is
    /// this, with the same words.
    pub(super) async fn compare_at(
        &self,
        binding: BindingId,
        target: &SecretTarget,
        content: &Rendered,
        location: &Location,
    ) -> Result<(Comparison, String), SinkError> {
        let object = self.api.get(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
        let differs = |key: &str, value: &[u8]| {
            let there = object.as_ref().and_then(|object| object.value(key));
            there.is_none_or(|there| there.expose() != value)
        };
        let would_change = content.iter().filter(|(key, value)| differs(key, value.expose())).count();
        let version = object.as_ref().map(|object| object.metadata.resource_version.clone());
        self.memory.looked(location, binding, Look { version: version.clone(), compared: true, ..Look::default() });
        if let Some(object) = &object {
            conflict::refuse_type(target, location, object)?;
            conflict::refuse_immutable(content, location, object)?;
        }
        let targets = Targets { applied: u32::from(object.is_some() && would_change == 0), total: 1 };
        Ok((Comparison { would_change: count(would_change), total: count(content.len()), targets }, version.unwrap_or_default()))
    }

    /// Whether what was compared is still what is there. `recorded`: the version that another run of the agent compared. A namespace that
    /// came since has none.
    pub(super) async fn is_compared_at(
        &self,
        binding: BindingId,
        location: &Location,
        recorded: Option<&String>,
    ) -> Result<bool, SinkError> {
        let Some(compared) = self.memory.compared(location, binding, recorded) else { return Ok(false) };
        let now = if let Some(told) = self.memory.watched(location) {
            told
        } else {
            // No watch tells.
            let version = self.api.version(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
            version.unwrap_or_default()
        };
        Ok(compared == now)
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
