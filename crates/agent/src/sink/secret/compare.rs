//! Comparing without writing, for a binding that only observes.

use std::collections::BTreeMap;
use std::ops::Add;

use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use lockstep_core::render::Rendered;

use super::Shared;
use super::location::Location;
use super::memory::Look;
use crate::sink::{SinkError, Targets};

/// The version of the Secret in each namespace that has one.
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
    /// Compares one Secret, whoever owns its keys; says which version of it.
    pub(super) async fn compare_at(
        &self,
        binding: BindingId,
        content: &Rendered,
        location: &Location,
    ) -> Result<(Comparison, Option<String>), SinkError> {
        let object = self.api.get(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
        let differs = |key: &str, value: &[u8]| {
            let there = object.as_ref().and_then(|object| object.value(key));
            there.is_none_or(|there| there.expose() != value)
        };
        let would_change = content.iter().filter(|(key, value)| differs(key, value.expose())).count();
        let version = object.as_ref().map(|object| object.metadata.resource_version.clone());
        self.memory.looked(location, binding, Look { version: version.clone(), compared: true, ..Look::default() });
        let targets = Targets { applied: u32::from(object.is_some() && would_change == 0), total: 1 };
        Ok((Comparison { would_change: count(would_change), total: count(content.len()), targets }, version))
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
