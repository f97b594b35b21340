//! Several Secrets of one target.

use futures::stream::{self, StreamExt as _};

use crate::sink::SinkError;

/// How many Secrets of one binding are written or looked at side by side.
pub(super) const LOCATIONS_AT_ONCE: usize = 8;

/// Works on all of them, a few at a time, whatever becomes of each.
pub(super) async fn side_by_side<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    // Collected first: a stream of a closure's futures cannot be sent between threads (rust-lang/rust#102211).
    let work: Vec<_> = work.collect();
    stream::iter(work).buffered(LOCATIONS_AT_ONCE).collect().await
}

/// What may pass by itself is told before what needs a person.
pub(super) fn first_error<T>(results: Vec<Result<T, SinkError>>, done: u32, total: u32) -> Result<(), SinkError> {
    let mut errors: Vec<SinkError> = results.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(|error| matches!(error, SinkError::Conflict(_)));
    match errors.into_iter().next() {
        None => Ok(()),
        Some(error) if done == 0 => Err(error),
        Some(SinkError::Conflict(cause)) => Err(SinkError::Conflict(format!("{cause} ({done} of {total} Secrets are done)"))),
        Some(SinkError::Kubernetes(cause)) => Err(SinkError::Kubernetes(format!("{cause} ({done} of {total} Secrets are done)"))),
        Some(error) => Err(error),
    }
}
