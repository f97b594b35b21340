//! JSON logs on standard error, with a cap on what dependencies may say. What is logged can be changed while the replica runs.

use std::sync::{Mutex, PoisonError};

use lockstep_vault::NOISY_TARGETS;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Targets that print frames, statements or bodies at their lower levels: no more than warnings, beside those that are silenced.
const FRAME_PRINTERS: [&str; 3] = ["tonic", "tower", "sqlx"];

type Reload = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// What this process logs.
#[derive(Default)]
pub struct Logs {
    configured: String,
    reload: Option<Reload>,
    /// What was asked for last instead of what is configured.
    asked: Mutex<Option<String>>,
}

/// A filter as in `LOCKSTEP_LOG`.
pub fn parse(filter: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into()).parse(filter)
}

/// Starts logging at `filter` (as in `LOCKSTEP_LOG`), whatever is asked of the noisy targets.
pub fn start(filter: &str, json: bool) -> anyhow::Result<Logs> {
    let asked = parse(filter).map_err(|e| anyhow::anyhow!("LOCKSTEP_LOG: {e}"))?;
    let (asked, handle) = reload::Layer::new(asked);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
    // Filters of everything, not of the layer: there a record of the `log` crate that is refused takes the next event with it.
    tracing_subscriber::registry().with(layer).with(asked).with(filter_fn(is_allowed)).init();
    let reload: Reload = Box::new(move |filter| handle.reload(filter));
    Ok(Logs { configured: filter.to_owned(), reload: Some(reload), asked: Mutex::default() })
}

impl Logs {
    /// What the process was started with.
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// Logs what is asked for, or what is configured. Nothing where that is so already; and where it cannot be, what was logged goes on.
    pub fn activate(&self, filter: Option<&str>) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.as_deref() == filter {
            return;
        }
        let Some(reload) = &self.reload else { return };
        let wanted = filter.unwrap_or(&self.configured);
        match parse(wanted).map_err(|e| e.to_string()).and_then(|parsed| reload(parsed).map_err(|e| e.to_string())) {
            // At a level that is nearly always heard: whoever reads the log later must see why there is more of it from here on.
            Ok(()) => tracing::warn!(filter = wanted, configured = self.configured, "what is logged was changed"),
            Err(error) => tracing::warn!(filter = wanted, error, "what is logged could not be changed"),
        }
        *asked = filter.map(str::to_owned);
    }
}

/// Beside the filter, not a directive of it: there a more exact one, such as `h2::codec=trace`, would win.
fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    !NOISY_TARGETS.contains(&root) && (*metadata.level() <= Level::WARN || !FRAME_PRINTERS.contains(&root))
}
