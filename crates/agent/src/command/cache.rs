//! The cache of what pods may mount and, if asked for, of what is in Secrets.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};

/// A week: longer than a weekend in which nobody sees to an outage.
const MAX_AGE_SECONDS: u32 = 604_800;
/// 48 MiB: the chart's volume has 64.
const MAX_BYTES: u64 = 48 << 20;
/// The largest content of one binding fits, with its names.
const MAX_BYTES_LEAST: u64 = 4 << 20;

/// Where what pods may mount is kept, for when neither a server nor a Vault is there.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cache of what pods may mount")]
pub struct CacheArguments {
    /// Where it is kept, sealed; made with mode 0700. Without it pods cannot mount after a restart until a server was there.
    #[arg(long = "cache-dir", env = "LOCKSTEP_AGENT_CACHE_DIR", value_name = "DIR", requires = "kubernetes")]
    pub dir: Option<PathBuf>,
    /// A file with the keys that seal it, one a line, 32 bytes as base64; the first seals, all open. Without it, a key is made and kept in the
    /// state Secret.
    #[arg(long = "cache-key-file", env = "LOCKSTEP_AGENT_CACHE_KEY_FILE", value_name = "FILE", requires = "dir")]
    pub key_file: Option<PathBuf>,
    /// Keeps the content of Kubernetes Secrets there too, so that one that is deleted or edited while no server is there comes back.
    #[arg(long = "cache-secrets", env = "LOCKSTEP_AGENT_CACHE_SECRETS", requires = "dir")]
    pub secrets: bool,
    /// How long pods may mount, and Secrets are restored from, what no server could be asked about.
    #[arg(
        long = "cache-max-age-seconds",
        env = "LOCKSTEP_AGENT_CACHE_MAX_AGE_SECONDS",
        value_name = "SECONDS",
        default_value_t = MAX_AGE_SECONDS
    )]
    pub max_age_seconds: u32,
    /// How much the cache may have on its disk, in whole blocks of 4 KiB for each binding; less than the limit of the volume. What does not fit is
    /// not cached, and pods are given it as long as the agent runs.
    #[arg(
        long = "cache-max-bytes",
        env = "LOCKSTEP_AGENT_CACHE_MAX_BYTES",
        value_name = "BYTES",
        default_value_t = MAX_BYTES,
        value_parser = value_parser!(u64).range(MAX_BYTES_LEAST..)
    )]
    pub max_bytes: u64,
}

impl Default for CacheArguments {
    fn default() -> Self {
        Self { dir: None, key_file: None, secrets: false, max_age_seconds: MAX_AGE_SECONDS, max_bytes: MAX_BYTES }
    }
}

impl CacheArguments {
    /// How long pods may mount what no server could be asked about.
    pub(crate) fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age_seconds.into())
    }
}
