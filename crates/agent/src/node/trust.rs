//! The CA of the agent's certificate: a file, from a ConfigMap that the agent publishes and kubelet keeps current.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use crate::tls::{self, Trust};

/// How often it is looked whether the file is there by now.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What the file says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bundle {
    pem: Vec<u8>,
    file: PathBuf,
}

impl Bundle {
    pub(super) async fn read(file: &Path) -> Result<Self, Refusal> {
        let pem = tokio::fs::read(file).await.map_err(|error| {
            let file = file.display();
            Refusal::unavailable(if error.kind() == ErrorKind::NotFound {
                format!(
                    "the agent's CA is not at {file} yet: the agent publishes it in a ConfigMap once it runs with --node-listen"
                )
            } else {
                format!("the agent's CA at {file} cannot be read: {error}")
            })
        })?;
        Ok(Self { pem, file: file.to_owned() })
    }

    /// TLS that trusts these and no others.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Refusal> {
        let wrong = |why: &str| Refusal::unavailable(format!("the agent's CA at {}: {why}", self.file.display()));
        let roots = CertificateDer::pem_slice_iter(&self.pem).collect::<Result<Vec<_>, _>>();
        let roots = roots.map_err(|_| wrong("it is no PEM file of certificates"))?;
        if roots.is_empty() {
            return Err(wrong("it has no certificate"));
        }
        tls::for_join(Trust::Roots(&roots)).map_err(|error| wrong(&error.to_string()))
    }
}

/// Says that the file is waited for, and when it is there.
pub(super) async fn tell(file: PathBuf, stop: CancellationToken) {
    let mut told = false;
    while let Err(why) = Bundle::read(&file).await {
        if !told {
            tracing::warn!(%why, "volumes are not mounted until the agent's CA is there; waiting");
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
    tracing::info!(file = %file.display(), "the agent's CA is there");
}
