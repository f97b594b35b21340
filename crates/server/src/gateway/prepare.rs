//! From a placement to finished bytes: read, render, digest.

use lockstep_core::choice::Choice;
use lockstep_core::delivery::Outcome;
use lockstep_core::digest::{ClusterKey, Digest};
use lockstep_core::plan::Want;
use lockstep_core::render::{RenderError, Rendered, render};
use lockstep_store::desired::Facts;
use lockstep_vault::VaultError;
use thiserror::Error;

use crate::app::App;
use crate::material_cache::{MaterialCache, ReadError};

/// Finished content.
pub(super) struct Prepared {
    pub(super) content: Rendered,
    pub(super) digest: Digest,
}

/// Why there is none.
#[derive(Debug, Error)]
pub(super) enum PrepareError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl PrepareError {
    /// What is recorded of it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Read(ReadError::Vault { error: VaultError::Forbidden { .. }, .. }) => Outcome::Denied,
            Self::Read(_) => Outcome::Unreadable,
            Self::Render(_) => Outcome::Failed,
        }
    }
}

/// Reads and renders what the placement wants.
pub(super) async fn prepare(
    app: &App,
    materials: &MaterialCache,
    key: &ClusterKey,
    facts: &Facts,
) -> Result<Prepared, PrepareError> {
    let choices: &[Choice] = match &facts.desired.want {
        Want::Content(choices) => choices,
        Want::Remove(_) | Want::Withhold(_) => &[],
    };
    let items = &facts.binding.spec.delivered.items[..choices.len()];
    let mut read = Vec::with_capacity(items.len());
    for ((item, secret), choice) in items.iter().zip(&facts.secrets).zip(choices) {
        read.push(materials.read(app, &item.secret, secret.id, choice).await?);
    }
    let keys: Vec<_> = read.iter().map(Option::as_deref).collect();
    let content = render(items, &keys)?;
    let digest = key.digest(&content);
    Ok(Prepared { content, digest })
}
