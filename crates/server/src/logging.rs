//! JSON logs on standard error, with a cap on what dependencies may say.

use lockstep_vault::NOISY_TARGETS;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Targets that print frames, statements or bodies at their lower levels: no more than warnings, beside those that are silenced.
const FRAME_PRINTERS: [&str; 3] = ["tonic", "tower", "sqlx"];

/// Starts logging at `filter` (as in `LOCKSTEP_LOG`), whatever is asked of the noisy targets.
pub fn start(filter: &str, json: bool) -> anyhow::Result<()> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into());
    let asked = builder.parse(filter).map_err(|e| anyhow::anyhow!("LOCKSTEP_LOG: {e}"))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
    // Filters of everything, not of the layer: there a record of the `log` crate that is refused takes the next event with it.
    tracing_subscriber::registry().with(layer).with(asked).with(filter_fn(is_allowed)).init();
    Ok(())
}

/// Beside the filter, not a directive of it: there a more exact one, such as `h2::codec=trace`, would win.
fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    !NOISY_TARGETS.contains(&root) && (*metadata.level() <= Level::WARN || !FRAME_PRINTERS.contains(&root))
}
