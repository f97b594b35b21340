//! Logs to standard error.

use std::io::Write;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;

use crate::command::LogFormat;

/// Says what is logged, as `tracing_subscriber::EnvFilter` reads it.
const FILTER_VARIABLE: &str = "LOCKSTEP_LOG";

/// Libraries whose finer levels print what goes over the wire, plaintext included. They stay at `warn`, whatever the filter says.
const CAPPED: [&str; 8] = ["h2", "hyper", "hyper_util", "tonic", "tower", "rustls", "tokio_rustls", "tokio_util"];

/// What is logged beside what is configured, while more is asked for: all of this program, and libraries as before.
const MORE: &str = "lockstep_agent=debug";

/// Changes what is logged. Also of a process that has no other way in: no REST, no shell in its image.
pub struct Logs {
    configured: String,
    reload: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

impl Logs {
    /// Logs more, or what is configured again.
    pub fn set(&self, more: bool) {
        let wanted = if more { format!("{},{MORE}", self.configured) } else { self.configured.clone() };
        match (self.reload)(parse(wanted.trim_start_matches(','))) {
            Ok(()) => tracing::warn!(filter = wanted, "what is logged was changed"),
            Err(error) => tracing::warn!(%error, "what is logged could not be changed"),
        }
    }
}

fn parse(filter: &str) -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(filter)
}

/// The subscriber of the process, and what changes it.
pub fn subscriber(format: LogFormat) -> (impl Subscriber + Send + Sync, Logs) {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    changeable(format, &filter, std::io::stderr)
}

/// The same, with another filter and writer.
pub fn subscriber_to<W>(format: LogFormat, filter: &str, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    for<'a> <W as MakeWriter<'a>>::Writer: Write,
{
    changeable(format, filter, writer).0
}

fn changeable<W>(format: LogFormat, filter: &str, writer: W) -> (impl Subscriber + Send + Sync + use<W>, Logs)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    for<'a> <W as MakeWriter<'a>>::Writer: Write,
{
    let (asked, handle) = reload::Layer::new(parse(filter));
    let logs = Logs { configured: filter.to_owned(), reload: Box::new(move |filter| handle.reload(filter)) };
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(false).boxed(),
    };
    // Filters of everything: one of a layer cannot be exchanged. What is allowed stands beside what is asked, and does not change.
    (tracing_subscriber::registry().with(layer).with(asked).with(filter_fn(is_allowed)), logs)
}

/// They warn with the whole of an answer that they cannot read, which may be a Secret.
const QUOTING: [&str; 2] = ["kube_client", "kube_runtime"];

fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    let finest = match root {
        _ if QUOTING.contains(&root) => Level::ERROR,
        _ if CAPPED.contains(&root) => Level::WARN,
        _ => Level::TRACE,
    };
    *metadata.level() <= finest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn more_is_logged_while_it_is_asked_for_and_wire_libraries_stay_quiet_then_too() {
        let lines = Lines::default();
        let writer = lines.clone();
        let (subscriber, logs) = changeable(LogFormat::Json, "info,lockstep_agent::link=warn", move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let say = |text: &str| {
                tracing::debug!(target: "lockstep_agent::holdings", "{text}");
                tracing::debug!(target: "h2::codec", "canary");
            };
            say("before");
            logs.set(true);
            say("meanwhile");
            logs.set(false);
            say("after");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("meanwhile") && !text.contains("before") && !text.contains("after"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn wire_libraries_stay_quiet_whatever_the_filter_says() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber_to(LogFormat::Json, "trace,h2::codec=trace", move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "h2::codec", "canary");
            tracing::debug!(target: "tonic", "canary");
            tracing::warn!(target: "kube_client::client", "canary");
            tracing::warn!(target: "h2::proto", "wire warning");
            tracing::info_span!("delivery.apply", revision = "1.2").in_scope(|| tracing::debug!("own"));
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("canary") && text.contains("wire warning"), "{text}");
        let own: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&own["message"], &own["span"]["name"]), (&"own".into(), &"delivery.apply".into()));
    }
}
