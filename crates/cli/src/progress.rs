//! Says what is being waited for, once it takes long enough to wonder.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Anything faster needs no explanation.
const QUIET: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(500);

/// Awaits `work`. From two seconds on `what` is shown on standard error, if that is a terminal, and taken away at the end.
pub(crate) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let began = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval_at(began + QUIET, TICK);
    let mut shown = false;
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                shown = true;
                write_over(&format!("{what} … {}s", began.elapsed().as_secs()));
            }
        }
    };
    if shown {
        write_over("");
    }
    done
}

/// Progress that cannot be shown is not worth failing for.
fn write_over(text: &str) {
    const LINE_START_AND_CLEAR: &str = "\r\x1b[K";
    let mut err = io::stderr();
    let _ = write!(err, "{LINE_START_AND_CLEAR}{text}").and_then(|()| err.flush());
}
