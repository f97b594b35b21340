//! Requests with a token that is not valid: how many from one address, and from all.
//!
//! A valid token passes whatever others at its address did: behind one NAT there may be a whole company, and a job that shows an expired token
//! every second must lock nobody out. So a token is looked at also when too many failed, but then only a few at a time, and the others wait for
//! their turn a while: an address that guesses slows itself down, and does not take the connections to Postgres from everybody else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::code::Code;
use super::problem::ApiError;
use crate::attempts::{Attempts, Hit};
use crate::config::Rest;
use crate::metrics::Metrics;

/// Tokens of suspect addresses that are looked at side by side.
const SUSPECTS_MAX: usize = 2;
/// How long one waits for its turn; then it is looked at all the same, as it may be valid.
const TURN_LIMIT: Duration = Duration::from_secs(2);

/// The caller's address, as the listener tells it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The failed logins on this replica. Cheap to clone.
#[derive(Clone)]
pub(super) struct Logins(Arc<Inner>);

struct Inner {
    failed: Attempts,
    suspects: Semaphore,
    metrics: Arc<Metrics>,
}

/// A login under way.
pub(super) struct Login<'a> {
    logins: &'a Logins,
    address: Option<IpAddr>,
    hit: Option<Hit>,
    _turn: Option<SemaphorePermit<'a>>,
}

impl Logins {
    pub(super) fn new(limits: &Rest, metrics: Arc<Metrics>) -> Self {
        let failed = Attempts::new(limits.failed_logins_per_minute, limits.failed_logins_per_minute_overall, Instant::now());
        Self(Arc::new(Inner { failed, suspects: Semaphore::new(SUSPECTS_MAX), metrics }))
    }

    /// Before a token is looked at. Without an address (a test's router) only the overall limit counts.
    pub(super) async fn begin(&self, address: Option<IpAddr>) -> Login<'_> {
        let hit = self.0.failed.check(address.unwrap_or(NOWHERE), Instant::now()).err();
        let hit = hit.filter(|hit| address.is_some() || *hit == Hit::Overall);
        let turn = match hit {
            Some(_) => timeout(TURN_LIMIT, self.0.suspects.acquire()).await.ok().and_then(Result::ok),
            None => None,
        };
        Login { logins: self, address, hit, _turn: turn }
    }

    fn too_many(&self, hit: Hit) -> ApiError {
        let limit = match hit {
            Hit::Address => "login_address",
            Hit::Overall => "login_overall",
        };
        self.0.metrics.limit_hits.with_label_values(&[limit]).inc();
        let detail = "too many requests from here had a token that is not valid, as this one: correct the token and try again";
        ApiError::new(Code::TooManyFailures, detail)
    }
}

impl Login<'_> {
    /// The token is not valid; `refused` says so as long as there were few.
    pub(super) fn failed(self, refused: ApiError) -> ApiError {
        if let Some(hit) = self.hit {
            return self.logins.too_many(hit);
        }
        self.logins.0.failed.note(self.address.unwrap_or(NOWHERE), Instant::now());
        refused
    }
}

const NOWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
