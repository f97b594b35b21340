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

/// How many and how long.
#[derive(Clone)]
pub(crate) struct Limits {
    /// What is still free.
    free: Arc<Semaphore>,
    time: Duration,
}

impl Limits {
    fn new(concurrent: usize, time: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(concurrent)), time }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(CONCURRENT_MAX, REQUEST_LIMIT)
    }
}

/// Turns away what is too much, and ends what takes too long. A write that is cut off this way is rolled back, unless it was being
/// committed at that very moment.
pub(crate) async fn limit(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let Ok(_permit) = limits.free.try_acquire() else {
        return ApiError::new(Code::Busy, "this replica serves as many requests as it may: try again in a moment")
            .into_response();
    };
    let late = |_| {
        let detail = "the request took too long and was given up: see whether it was done before you send it again";
        ApiError::new(Code::Timeout, detail).into_response()
    };
    timeout(limits.time, next.run(request)).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::problem::Told;
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use std::future::pending;
    use tower::ServiceExt as _;

    async fn ask(router: &Router, path: &str) -> (StatusCode, Option<Code>) {
        let answer = router.clone().oneshot(Request::builder().uri(path).body(Body::empty()).unwrap()).await.unwrap();
        (answer.status(), answer.extensions().get::<Told>().map(|told| told.code))
    }

    #[tokio::test]
    async fn what_takes_too_long_and_what_is_too_much_is_answered_as_a_problem() {
        let limits = Limits::new(1, Duration::from_millis(200));
        let router = Router::new().route("/quick", get(|| async {})).route("/slow", get(pending::<()>));
        let router = router.layer(from_fn_with_state(limits.clone(), limit));
        assert_eq!(ask(&router, "/quick").await, (StatusCode::OK, None));
        let (slow, second) = tokio::join!(ask(&router, "/slow"), ask(&router, "/quick"));
        assert_eq!(slow, (StatusCode::SERVICE_UNAVAILABLE, Some(Code::Timeout)));
        assert_eq!(second, (StatusCode::SERVICE_UNAVAILABLE, Some(Code::Busy)));
        // What was given up holds no place.
        assert_eq!(ask(&router, "/quick").await, (StatusCode::OK, None));
    }
}
