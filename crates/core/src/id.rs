//! Typed ids. An id is never reused, also when the name it stood for is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as the registry, the protocol and certificates carry it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

typed_id! {
    /// One registry: the history that one Postgres holds.
    RegistryId;
    /// A project.
    ProjectId;
    /// A registered cluster. A cluster registered again under the same name has another id.
    ClusterId;
    /// One agent installation of a cluster, chosen by the server when it joined.
    InstanceId;
    /// A source: one Vault.
    SourceId;
    /// One watched thing in a source: engine, mount, path.
    SecretId;
    /// A grant.
    GrantId;
    /// A binding.
    BindingId;
    /// One accepted agent stream.
    SessionId;
    /// One running `lockstep-server`.
    ReplicaId;
    /// A one-time join token.
    JoinTokenId;
    /// A caller's API token.
    ApiTokenId;
    /// A rotation.
    RotationId;
    /// One run of a rotation.
    RotationRunId;
}
