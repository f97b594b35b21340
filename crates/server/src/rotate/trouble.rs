//! Why a step of a run did not work.

use lockstep_store::StoreError;
use lockstep_vault::VaultError;

/// What a step ends with when it does not end well.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It did not work, and is tried again: a sealed Vault, a database that is down, a right that is missing.
    Again(String),
    /// It will not work: the run ends. Nothing was changed for any cluster.
    Never(String),
    /// The registry did not take it. That this replica no longer works on the run is the commonest reason; whoever does goes on.
    Registry(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Registry(error)
    }
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self::Again(error.to_string())
    }
}
