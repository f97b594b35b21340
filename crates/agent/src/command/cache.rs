//! The cache of what pods may mount.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// A week: longer than a weekend in which nobody sees to an outage.
const MAX_AGE_SECONDS: u32 = 604_800;

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
    /// How long pods may mount what no server could be asked about.
    #[arg(
        long = "cache-max-age-seconds",
        env = "LOCKSTEP_AGENT_CACHE_MAX_AGE_SECONDS",
        value_name = "SECONDS",
        default_value_t = MAX_AGE_SECONDS
    )]
    pub max_age_seconds: u32,
}

impl Default for CacheArguments {
    fn default() -> Self {
        Self { dir: None, key_file: None, max_age_seconds: MAX_AGE_SECONDS }
    }
}

impl CacheArguments {
    /// How long pods may mount what no server could be asked about.
    pub(crate) fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age_seconds.into())
    }
}
