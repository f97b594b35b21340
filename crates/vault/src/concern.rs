//! What a failure is about: the one thing that was asked for, or the Vault that was asked.

use crate::cause::Cause;
use crate::error::VaultError;

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// What was asked for, and nothing else: the Vault answered.
    Request,
    /// One of the two. One path can break an engine, make a proxy give up, or take too long, while all others are well; and a Vault in
    /// trouble says the same. Several in a row tell.
    Either,
    /// The Vault: whatever is asked for, it would say the same.
    Vault,
}

impl VaultError {
    /// What this failure is about. Who asks to be left alone asks it for all that it serves.
    pub fn concern(&self) -> Concern {
        if self.retry_after().is_some() {
            return Concern::Vault;
        }
        match self {
            Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::NoMount { .. }
            | Self::Gone(_)
            | Self::Unsupported { .. }
            | Self::Refused { .. }
            | Self::Cas { .. }
            | Self::Database { .. }
            | Self::TooLarge { .. }
            | Self::Protocol { .. } => Concern::Request,
            Self::Timeout { .. } => Concern::Either,
            Self::Unavailable { cause, .. } => match cause {
                Cause::Status { .. } | Cause::Broken(_) | Cause::Other => Concern::Either,
                Cause::Refused | Cause::Name | Cause::Tls(_) | Cause::ConnectTimeout => Concern::Vault,
            },
            Self::Sealed
            | Self::Standby
            | Self::Uninitialised
            | Self::Unauthenticated(_)
            | Self::Throttled { .. }
            | Self::Settings { .. } => Concern::Vault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_path_may_be_to_blame_for_what_a_vault_in_trouble_says_too() {
        let at = |cause| VaultError::Unavailable { address: "https://vault.example".to_owned(), cause };
        let status = |status, retry_after| at(Cause::Status { status, retry_after });
        for (error, concern) in [
            (status(500, None), Concern::Either),
            (status(503, Some(Duration::from_secs(9))), Concern::Vault),
            (at(Cause::Refused), Concern::Vault),
            (at(Cause::Broken(std::io::ErrorKind::ConnectionReset)), Concern::Either),
            (VaultError::Timeout { after: Duration::from_secs(5) }, Concern::Either),
            (VaultError::Sealed, Concern::Vault),
            (VaultError::Throttled { retry_after: None }, Concern::Vault),
            (VaultError::Unsupported { what: String::new() }, Concern::Request),
            (VaultError::Forbidden { what: String::new() }, Concern::Request),
        ] {
            assert_eq!(error.concern(), concern, "{error}");
        }
    }
}
