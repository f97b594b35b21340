//! What one binding lets pods mount.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_core::binding::{CsiSource, CsiTarget};
use lockstep_core::digest::ClusterKey;
use lockstep_core::render::Rendered;

use crate::delivery::Put;
use crate::sink::Stamp;

/// Content, and who may have it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The binding's name: pods ask by it.
    pub(super) name: String,
    pub(super) target: CsiTarget,
    /// By which other names they ask.
    pub(super) sources: Vec<CsiSource>,
    pub(super) stamp: Stamp,
    pub(super) content: Arc<Rendered>,
    /// Of each key by itself. With the cluster's digest key: whoever reads it can try no candidate value against it.
    pub(super) versions: BTreeMap<String, String>,
}

impl Entry {
    pub(super) fn new(put: &Put, target: CsiTarget, stamp: Stamp, key: &ClusterKey) -> Self {
        let content = put.content.clone();
        let versions = content.iter().map(|(name, value)| (name.to_owned(), key.version([(name, value)]))).collect();
        Self { name: put.name.clone(), target, sources: put.sources.clone(), stamp, content, versions }
    }
}
