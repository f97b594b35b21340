//! How a placement stands, as everybody is shown it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The closed set of delivery statuses. The registry's `delivery_status` view derives them; nothing stores one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeliveryStatus {
    /// Not yet sent.
    Pending,
    /// Sent, not yet confirmed.
    Sending,
    /// The cluster confirmed the newest revision.
    InSync,
    /// No grant allows it, or Vault's policy does not.
    Denied,
    /// Somebody else owns what it would write.
    Conflict,
    /// It cannot be delivered; the cause says why.
    Failed,
    /// Nothing is sent until a person decides: the history was cut, or the source went back.
    Held,
    /// The last good value is kept although the source no longer has it, or cannot be asked.
    Stale,
    /// The cluster is paused.
    Paused,
}

/// A word that is no status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a delivery status: {list}", list = DeliveryStatus::ALL.map(DeliveryStatus::as_str).join(", "))]
pub struct UnknownStatus(String);

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Sending,
        Self::InSync,
        Self::Denied,
        Self::Conflict,
        Self::Failed,
        Self::Held,
        Self::Stale,
        Self::Paused,
    ];

    /// The word as shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Sending => "Sending",
            Self::InSync => "InSync",
            Self::Denied => "Denied",
            Self::Conflict => "Conflict",
            Self::Failed => "Failed",
            Self::Held => "Held",
            Self::Stale => "Stale",
            Self::Paused => "Paused",
        }
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeliveryStatus {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// What became of one attempt to deliver, as written to the `delivery` row by the one writer of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Handed to the agent's stream.
    Sent,
    /// The agent confirmed it.
    Applied,
    /// The agent refused it: another owner.
    Conflict,
    /// The agent could not apply it, or the server could not render it.
    Failed,
    /// The source refused the read.
    Denied,
    /// The source could not be asked, or no longer has the version.
    Unreadable,
}

impl Outcome {
    /// The word as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "Sent",
            Self::Applied => "Applied",
            Self::Conflict => "Conflict",
            Self::Failed => "Failed",
            Self::Denied => "Denied",
            Self::Unreadable => "Unreadable",
        }
    }
}

/// How the restarts go that follow from one revision of a binding in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartProgress {
    /// How many workloads were told to restart.
    pub restarted: u32,
    /// Of how many.
    pub total: u32,
    /// How many of them have finished.
    pub healthy: u32,
    /// One sentence each: which workload does not finish, and why.
    pub stuck: Vec<String>,
    /// One sentence each: which workload is left alone, and why.
    pub skipped: Vec<String>,
}
