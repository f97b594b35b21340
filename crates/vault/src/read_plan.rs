//! How the watcher looks at a mount: one SCAN, or a GET for each bound path. Found out from what the server answered, not configured.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::kv::KvPath;

use crate::concern::Concern;
use crate::error::VaultError;

/// Up to this many bound paths are asked for one by one: that many requests cost less than the smallest scan is worth.
pub const SCAN_PATHS_MIN: usize = 8;

/// A tree with more than this many entries for each bound path is not scanned. One GET costs the server about as much as seven entries
/// of a scan (measured with OpenBao 2.7: 1 ms, and 0.15 ms an entry), but uses up the request budget.
pub const SCAN_ENTRIES_PER_PATH_MAX: usize = 20;

/// For how long a refused or useless scan is not tried again: policies, versions and trees change, but seldom.
pub const RETRY: TimeDelta = TimeDelta::hours(1);

/// For how long a scan is not tried again that failed where the server answers other requests: doubled with each failure in a row, up to
/// [`RETRY`]. It may have been a moment's load; it may be a tree that takes longer than a call may.
pub const RETRY_FIRST: TimeDelta = TimeDelta::minutes(1);

/// What is known of scans of one mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScanSupport {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The last scan went through.
    Supported {
        /// Entries in all its pages; [`usize::MAX`] when an answer was over the limit.
        entries_seen: usize,
        /// When.
        at: DateTime<Utc>,
    },
    /// The server has no SCAN.
    Unsupported {
        /// Until then it is not tried.
        until: DateTime<Utc>,
    },
    /// The policy does not allow it.
    Forbidden {
        /// Until then it is not tried.
        until: DateTime<Utc>,
    },
    /// The last scan took too long, or was answered with something else than a scan.
    Failed {
        /// Until then it is not tried.
        until: DateTime<Utc>,
        /// How long that was from the failure on.
        pause: TimeDelta,
    },
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// [`crate::Vault::metadata`] of one path.
    Get(KvPath),
    /// [`crate::Vault::scan`] of all below a directory.
    Scan {
        /// Without a slash at either end; empty for the whole mount.
        prefix: String,
    },
}

impl ScanSupport {
    /// What is known after a scan: the number of entries of all its pages, or why it failed. A failure of the Vault as a whole says
    /// nothing about scans, and changes nothing.
    #[must_use]
    pub fn after(self, scan: Result<usize, &VaultError>, now: DateTime<Utc>) -> Self {
        match scan {
            Ok(entries_seen) => Self::Supported { entries_seen, at: now },
            Err(VaultError::Unsupported { .. }) => Self::Unsupported { until: now + RETRY },
            Err(VaultError::Forbidden { .. }) => Self::Forbidden { until: now + RETRY },
            Err(VaultError::TooLarge { .. }) => Self::Supported { entries_seen: usize::MAX, at: now },
            Err(error) if error.concern() == Concern::Vault => self,
            Err(_) => {
                let pause = if let Self::Failed { pause, .. } = self { (pause * 2).min(RETRY) } else { RETRY_FIRST };
                Self::Failed { until: now + pause, pause }
            }
        }
    }

    /// What is known when the Vault turns out to be in trouble: a scan that failed then may have failed for that.
    #[must_use]
    pub fn forget_failure(self) -> Self {
        if let Self::Failed { .. } = self { Self::Unknown } else { self }
    }

    /// Whether a scan is worth a request for `paths` bound paths, with pages of `page` entries.
    fn is_worth_it(self, paths: usize, page: usize, now: DateTime<Utc>) -> bool {
        match self {
            Self::Unknown => true,
            Self::Unsupported { until } | Self::Forbidden { until } | Self::Failed { until, .. } => now >= until,
            Self::Supported { entries_seen, at } => {
                let pages = entries_seen.div_ceil(page.max(1));
                let is_small = paths > pages && entries_seen <= paths.saturating_mul(SCAN_ENTRIES_PER_PATH_MAX);
                is_small || now - at >= RETRY
            }
        }
    }
}

/// The looks that show all of `bound`, the bound paths of one mount.
pub fn plan(bound: &BTreeSet<KvPath>, support: ScanSupport, page: usize, now: DateTime<Utc>) -> Vec<Read> {
    if bound.len() > SCAN_PATHS_MIN && support.is_worth_it(bound.len(), page, now) {
        vec![Read::Scan { prefix: common_directory(bound) }]
    } else {
        bound.iter().cloned().map(Read::Get).collect()
    }
}

/// The longest directory that holds all of `bound`.
fn common_directory(bound: &BTreeSet<KvPath>) -> String {
    let directory = |path: &KvPath| -> Vec<String> {
        let mut segments: Vec<_> = path.as_str().split('/').map(str::to_owned).collect();
        segments.pop();
        segments
    };
    let mut paths = bound.iter();
    let mut common = paths.next().map(directory).unwrap_or_default();
    for path in paths {
        let same = common.iter().zip(path.as_str().split('/')).take_while(|(a, b)| a.as_str() == *b).count();
        common.truncate(same.min(directory(path).len()));
    }
    common.join("/")
}

#[cfg(test)]
mod tests;
