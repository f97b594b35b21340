//! From a placement to finished bytes: read, render, digest.

use lockstep_core::binding::Target;
use lockstep_core::delivery::Outcome;
use lockstep_core::digest::{ClusterKey, Digest};
use lockstep_core::plan::Want;
use lockstep_core::render::{RenderError, Rendered};
use lockstep_core::template::{TemplateError, render};
use lockstep_store::desired::Facts;
use lockstep_vault::VaultError;
use thiserror::Error;

use crate::app::App;
use crate::cluster_readers::Reader;
use crate::material_cache::ReadError;

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
    Render(#[from] TemplateError),
    #[error(transparent)]
    Type(RenderError),
}

impl PrepareError {
    /// What is recorded of it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Read(ReadError::Vault { error: VaultError::Forbidden { .. }, .. }) => Outcome::Denied,
            Self::Read(ReadError::AsCluster { error, .. }) if error.is_denied() => Outcome::Denied,
            Self::Read(_) => Outcome::Unreadable,
            Self::Render(_) | Self::Type(_) => Outcome::Failed,
        }
    }
}

/// Reads and renders what the placement wants, and checks that it is what the target's type asks for.
pub(super) async fn prepare(app: &App, reader: Reader<'_>, key: &ClusterKey, facts: &Facts) -> Result<Prepared, PrepareError> {
    let delivered = &facts.binding.spec.delivered;
    let content = match &facts.desired.want {
        Want::Content(choices) => {
            let mut read = Vec::with_capacity(choices.len());
            for ((item, secret), choice) in delivered.items.iter().zip(&facts.secrets).zip(choices) {
                let named = secret.named(item.secret.source().clone());
                read.push(app.materials.read(app, reader, &named, secret.id, choice).await?);
            }
            let keys: Vec<_> = read.iter().map(Option::as_deref).collect();
            let content = render(delivered, &keys)?;
            if let Target::Secret(secret) = &delivered.target {
                secret.secret_type.check(&content).map_err(PrepareError::Type)?;
            }
            content
        }
        Want::Remove(_) | Want::Withhold(_) => Rendered::default(),
    };
    let digest = key.digest(&content);
    Ok(Prepared { content, digest })
}
