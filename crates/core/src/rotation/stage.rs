//! What is recorded of a run: enough for any replica to go on with it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::life::Life;
use crate::engine::Member;
use crate::version::VersionNumber;

/// A keyed digest of the rotated keys' values, by which a run knows after a crash what it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(#[serde(with = "hex::serde")] pub [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Where a run is. What a variant carries was recorded before the run did what the stage is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing was done: what there is at the source is looked at.
    Preparing,
    /// The new value is about to be made there, or was: what was there before tells which.
    Making(Intent),
    /// A login with it is tried.
    Verifying(Made),
    /// It is about to be what clusters get.
    Delivering(Made),
    /// Clusters get it; they are waited for.
    Confirming(Delivered),
    /// Everybody has it; what was before lives on for a while.
    Overlapping(Delivered),
    /// What was before is about to be made void, or was. From here it only goes forward.
    Retiring(Delivered, Void),
    /// What was before is about to be what clusters get again.
    RollingBack(Delivered, String),
    /// It came to its end.
    Done(Done),
    /// It came to its end otherwise: why.
    Failed(String),
}

/// What is about to be made, and what was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// A version of a KV secret is written.
    Write {
        /// The version that it replaces; none: there is no secret yet.
        base: Option<VersionNumber>,
        /// Of the rotated keys as they were; none: one of them was not there.
        before: Option<Fingerprint>,
        /// Of the rotated keys as they are written.
        print: Fingerprint,
        /// Of a certificate that was issued for it.
        serial: Option<String>,
        /// And how long it lives.
        life: Option<Life>,
    },
    /// The one role's password is changed.
    InPlace {
        /// When it was changed last.
        before: DateTime<Utc>,
    },
    /// The idle role's password is changed.
    InTurn {
        /// Which one is idle.
        candidate: Member,
        /// When its password was changed last.
        before: DateTime<Utc>,
    },
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Made {
    /// A version of a KV secret.
    Written {
        /// Its number.
        number: VersionNumber,
        /// The version that it replaced.
        base: Option<VersionNumber>,
        /// Of the rotated keys as they were.
        before: Option<Fingerprint>,
        /// Of a certificate, how long it lives.
        life: Option<Life>,
    },
    /// A password of the one role.
    InPlace {
        /// When the source changed it, by its clock.
        at: DateTime<Utc>,
    },
    /// A password of the idle role.
    InTurn {
        /// Which one.
        candidate: Member,
        /// When the source changed it, by its clock.
        at: DateTime<Utc>,
    },
}

/// What clusters get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// What was made.
    pub made: Made,
    /// As a version of the secret; none: no binding draws from it.
    pub version: Option<VersionNumber>,
    /// The version that clusters had before, which a rollback returns to.
    pub former: Option<VersionNumber>,
    /// Who did not confirm and was not waited for any longer.
    pub without: Option<String>,
}

/// What is about to be made void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// Which role.
    pub member: Member,
    /// When its password was changed last.
    pub before: DateTime<Utc>,
}

/// How a run ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The version that clusters have now.
    pub version: Option<VersionNumber>,
    /// Who did not confirm and was not waited for any longer.
    pub without: Option<String>,
    /// Of a certificate, how long it lives.
    pub life: Option<Life>,
}

impl Made {
    /// Of a certificate, how long it lives.
    pub const fn life(&self) -> Option<Life> {
        match self {
            Self::Written { life, .. } => *life,
            Self::InPlace { .. } | Self::InTurn { .. } => None,
        }
    }
}

impl Stage {
    /// Of a certificate, as soon as it was issued, how long it lives.
    pub const fn life(&self) -> Option<Life> {
        match self {
            Self::Making(Intent::Write { life, .. }) => *life,
            Self::Delivering(made) | Self::Verifying(made) => made.life(),
            Self::Confirming(delivered) | Self::Overlapping(delivered) | Self::RollingBack(delivered, _) => delivered.made.life(),
            Self::Done(done) => done.life,
            Self::Preparing | Self::Making(_) | Self::Retiring(..) | Self::Failed(_) => None,
        }
    }

    /// The word for it, as stored and shown.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Preparing => "Preparing",
            Self::Making(_) => "Making",
            Self::Verifying(_) => "Verifying",
            Self::Delivering(_) => "Delivering",
            Self::Confirming(_) => "Confirming",
            Self::Overlapping(_) => "Overlapping",
            Self::Retiring(..) => "Retiring",
            Self::RollingBack(..) => "RollingBack",
            Self::Done(_) => "Done",
            Self::Failed(_) => "Failed",
        }
    }

    /// Whether what comes next depends on who has what.
    pub const fn looks_at_consumers(&self) -> bool {
        matches!(self, Self::Preparing | Self::Confirming(_) | Self::Overlapping(_))
    }

    /// The words of those that do nothing but wait until clusters have confirmed, or a time is over.
    pub const WAITING: [&'static str; 2] = ["Confirming", "Overlapping"];

    /// Whether nothing follows.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed(_))
    }
}
