//! How many requests at once, for how long, how large.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::code::Code;
use super::problem::ApiError;

/// The largest body.
pub(crate) const BODY_MAX_BYTES: usize = 1 << 20;
/// A whole request. The CLI gives up after 30 s and is to read our answer before that.
const REQUEST_LIMIT: Duration = Duration::from_secs(25);
/// Requests under way on one replica: far above what the pool can serve at once, so only a flood is turned away.
const CONCURRENT_MAX: usize = 512;

/// What is free of [`CONCURRENT_MAX`].
#[derive(Clone)]
pub(crate) struct Capacity(Arc<Semaphore>);

impl Default for Capacity {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONCURRENT_MAX)))
    }
}

/// Turns away what is too much, and ends what takes too long. A write that is cut off this way is rolled back, unless it was being
/// committed at that very moment.
pub(crate) async fn limit(State(capacity): State<Capacity>, request: Request, next: Next) -> Response {
    let Ok(_permit) = capacity.0.try_acquire() else {
        return ApiError::new(Code::Busy, "this replica serves as many requests as it may: try again in a moment")
            .into_response();
    };
    let late = |_| {
        let detail = "the request took too long and was given up: see whether it was done before you send it again";
        ApiError::new(Code::Timeout, detail).into_response()
    };
    timeout(REQUEST_LIMIT, next.run(request)).await.unwrap_or_else(late)
}
