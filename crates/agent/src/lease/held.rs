//! A Lease that is ours, for as long as it can be renewed.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease as Found;
use tokio::time::{sleep, timeout};

use super::leadership::Leadership;
use super::object::LeaseObject;
use crate::clock::Clock;
use crate::kubernetes::RequestError;
use crate::loops::LEASE;
use crate::metrics::Metrics;

/// How often in its duration a Lease is renewed.
const RENEWALS: u32 = 3;
/// A renewal that failed is tried again after this part of the duration.
const RETRIES: u32 = 15;

/// A Lease that is ours.
pub(crate) struct Lease {
    object: LeaseObject,
    found: Found,
    term: u64,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    /// When, by our clock, it is over unless renewed: counted from before the last renewal was sent.
    over: Duration,
}

impl Lease {
    /// `sent`: the clock's uptime before the write that made it ours.
    pub(super) fn new(object: LeaseObject, found: Found, term: u64, clock: Arc<dyn Clock>, sent: Duration) -> Self {
        let over = sent + object.duration();
        let leadership = Leadership::until(clock.clone(), object.request_timeout(), over);
        Self { object, found, term, clock, leadership, over }
    }

    /// How often the Lease was acquired, this time included: it only grows.
    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// Who we are in the Lease: no two processes have the same.
    pub(crate) fn us(&self) -> &str {
        self.object.us()
    }

    /// For whoever writes.
    pub(crate) fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Renews it until it is lost, and says why it was.
    pub(crate) async fn keep(&mut self, metrics: &Metrics) -> String {
        let leadership = self.leadership.clone();
        tokio::select! {
            why = leadership.lost() => why,
            why = self.renew(metrics) => {
                leadership.lose(why.clone());
                why
            }
        }
    }

    async fn renew(&mut self, metrics: &Metrics) -> String {
        let turning = LEASE.begin(metrics);
        let mut wait = self.object.duration() / RENEWALS;
        let mut cause = "this agent was asleep".to_owned();
        loop {
            let left = self.over.saturating_sub(self.clock.uptime());
            turning.wait(sleep(wait.min(left))).await;
            let sent = self.clock.uptime();
            let left = self.over.saturating_sub(sent);
            if left.is_zero() {
                return format!("it could not be renewed in time: {cause}");
            }
            let renewing = self.object.hold(self.found.clone(), self.term, self.clock.now());
            match timeout(left, renewing).await {
                Ok(Ok(renewed)) => {
                    self.found = renewed;
                    self.over = sent + self.object.duration();
                    self.leadership.extend(self.over);
                    wait = self.object.duration() / RENEWALS;
                    turning.progressed();
                    continue;
                }
                Ok(Err(error)) if error.is_conflict() || error.is_not_found() => match self.look().await {
                    Ok(None) => {}
                    Ok(Some(lost)) => return lost,
                    Err(error) => cause = error.to_string(),
                },
                Ok(Err(error)) => cause = error.to_string(),
                Err(_) => "the API server did not answer".clone_into(&mut cause),
            }
            tracing::warn!(cause, "the lease cannot be renewed yet");
            wait = self.object.duration() / RETRIES;
        }
    }

    /// Why it is not ours any more; `None` where it still is and only changed since: a renewal whose answer was lost, or somebody
    /// put a label on it.
    async fn look(&mut self) -> Result<Option<String>, RequestError> {
        let Some(found) = self.object.read().await? else { return Ok(Some("somebody removed it".to_owned())) };
        let said = self.object.said(&found);
        if said.holder.as_deref() == Some(self.object.us()) {
            self.found = found;
            return Ok(None);
        }
        Ok(Some(format!("{} holds it now", said.holder.as_deref().unwrap_or("nobody"))))
    }

    /// Lets go of it, so that another one need not wait until it is over. Nothing may be written any more.
    pub(crate) async fn release(mut self) {
        let may_write = self.leadership.may_write();
        self.leadership.lose("it was released");
        if !may_write {
            return;
        }
        let mut released = self.object.release(self.found.clone()).await;
        // A renewal may have been under way when the work ended.
        if released.as_ref().is_err_and(RequestError::is_conflict) && matches!(self.look().await, Ok(None)) {
            released = self.object.release(self.found).await;
        }
        if let Err(error) = released {
            tracing::warn!(%error, "the lease cannot be released; another agent takes it over when its time is over");
        }
    }
}
