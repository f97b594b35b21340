//! JSON logs on standard error, with a cap on what dependencies may say.

use lockstep_vault::NOISY_TARGETS;
use tracing_subscriber::EnvFilter;

/// Targets that print frames or bodies, which may hold material or tokens, at their lower levels.
const FRAME_PRINTERS: [&str; 8] = ["h2", "hyper", "hyper_util", "tonic", "tower", "rustls", "tokio_rustls", "sqlx"];

/// Starts logging at `filter` (as in `LOCKSTEP_LOG`), whatever is asked of the noisy targets.
pub fn start(filter: &str, json: bool) -> anyhow::Result<()> {
    let mut filter = EnvFilter::try_new(filter).map_err(|e| anyhow::anyhow!("LOCKSTEP_LOG: {e}"))?;
    for target in NOISY_TARGETS.iter().chain(&FRAME_PRINTERS) {
        filter = filter.add_directive(format!("{target}=warn").parse()?);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().flatten_event(true).init();
    } else {
        builder.init();
    }
    Ok(())
}
