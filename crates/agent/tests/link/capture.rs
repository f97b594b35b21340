//! Everything that the tests' agents log, at the finest level, with the agent's own filter.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use lockstep_agent::command::LogFormat;
use lockstep_agent::logging;

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

static LINES: OnceLock<Lines> = OnceLock::new();

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to capture; all tests of the process share it.
pub(crate) fn begin() -> &'static Lines {
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = logging::subscriber_to(LogFormat::Json, "trace", move || writer.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        lines
    })
}

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}
