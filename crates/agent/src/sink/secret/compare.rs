//! Comparing without writing, for a binding that only observes.

use super::Shared;
use super::location::Location;
use super::memory::Look;
use crate::sink::SinkError;
use lockstep_core::id::BindingId;
use lockstep_core::render::Rendered;

/// How much of the content is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Keys that are absent or have another value.
    pub(crate) would_change: u32,
    /// Keys in all.
    pub(crate) total: u32,
}

impl Shared {
    /// Compares one Secret, whoever owns its keys.
    pub(super) async fn compare_at(
        &self,
        binding: BindingId,
        content: &Rendered,
        location: &Location,
    ) -> Result<Comparison, SinkError> {
        let object = self.api.get(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
        let differs = |key: &str, value: &[u8]| {
            let there = object.as_ref().and_then(|object| object.value(key));
            there.is_none_or(|there| there.expose() != value)
        };
        let would_change = content.iter().filter(|(key, value)| differs(key, value.expose())).count();
        let version = object.as_ref().map(|object| object.metadata.resource_version.clone());
        self.memory.looked(location, binding, Look { version, compared: true, ..Look::default() });
        Ok(Comparison { would_change: count(would_change), total: count(content.len()) })
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
