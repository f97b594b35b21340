//! Who the agent is for node agents: a CA that all of its replicas share, whose certificates only the agent may publish.
//!
//! Every replica does the same, at the same time: reads what is there, makes what is missing, puts back what was changed. Writes to the
//! keys' Secret carry the resourceVersion that was seen, so of two replicas one is refused, and reads what the other made. What cannot
//! be understood is never overwritten.

mod ca;
mod object;
mod rotation;
mod serving;

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use rand::{SeedableRng as _, rngs::StdRng};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::command::VolumesArguments;
use crate::kubernetes::{Kubernetes, RequestError};
use ca::Ca;
use object::Objects;
use serving::Serving;

/// How often it is looked at, so how soon a ConfigMap that somebody changed is put back.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);

/// The CA, and this replica's certificate.
pub(super) struct Authority {
    objects: Objects,
    names: Vec<String>,
    serving: Arc<Serving>,
    clock: Arc<dyn Clock>,
    expiry: IntGauge,
    /// What is trusted, as PEM.
    trusted: watch::Sender<String>,
}

/// Why a round brought nothing.
#[derive(Debug, Error)]
enum AuthorityError {
    #[error("{what}: {error}{}", advice(.error))]
    Request { what: String, error: RequestError },
    #[error(
        "{0} holds something else than CAs of this agent: it is left as it is; if nobody needs it, delete it and another is made"
    )]
    NotUnderstood(String),
    #[error("a CA cannot be made: {0}")]
    Making(String),
}

fn advice(error: &RequestError) -> &'static str {
    if error.is_transient() || error.is_conflict() { "" } else { "; see what the agent's Role allows" }
}

impl AuthorityError {
    /// Another replica was quicker.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Request { error, .. } if error.is_conflict())
    }
}

impl Authority {
    /// Nothing is asked yet. `expiry` is told when the certificate ends.
    pub(super) fn new(kubernetes: &Kubernetes, arguments: &VolumesArguments, clock: Arc<dyn Clock>, expiry: IntGauge) -> Self {
        let objects = Objects::new(kubernetes, &arguments.ca_secret, &arguments.ca_config_map);
        Self {
            objects,
            names: arguments.server_names.clone(),
            serving: Arc::default(),
            clock,
            expiry,
            trusted: watch::Sender::default(),
        }
    }

    /// The CAs' certificates as PEM; empty until they were read.
    pub(super) fn trusted(&self) -> watch::Receiver<String> {
        self.trusted.subscribe()
    }

    /// For handshakes; none succeeds until there is a certificate.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        self.serving.clone().config()
    }

    /// Keeps it all as it should be, until told to stop.
    pub(super) async fn keep(&self, stop: &CancellationToken) {
        let (mut random, mut backoff) = (StdRng::from_os_rng(), Backoff::default());
        let (mut list, mut said) = (Vec::new(), String::new());
        loop {
            let wait = match self.round().await {
                Ok(found) => {
                    (list, backoff) = (found, Backoff::default());
                    let bundle = ca::bundle(&list);
                    self.trusted.send_if_modified(|known| std::mem::replace(known, bundle.clone()) != bundle);
                    said.clear();
                    LOOK_INTERVAL
                }
                Err(error) => {
                    let why = error.to_string();
                    if !error.is_conflict() && why != said {
                        tracing::warn!(why, "node agents' trust in this agent cannot be kept up");
                        said = why;
                    }
                    backoff.next(&mut random)
                }
            };
            self.renew(&list);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reads what there is and makes it what it should be: the keys first, then what is published, then that it is.
    async fn round(&self) -> Result<Vec<Ca>, AuthorityError> {
        let (now, in_secret) = (self.clock.now(), |error| AuthorityError::Request { what: self.objects.secret(), error });
        let mut seen = self.objects.read().await.map_err(in_secret)?;
        let mut list = match &seen.authorities {
            None => Vec::new(),
            Some(bytes) => ca::read(bytes).ok_or_else(|| AuthorityError::NotUnderstood(self.objects.secret()))?,
        };
        let before = list.len();
        list.retain(|ca| !ca.times.has_ended(now));
        let is_next_due = rotation::is_next_due(list.iter().map(|ca| ca.times), now);
        if is_next_due {
            list.insert(0, Ca::make(now).map_err(|e| AuthorityError::Making(e.to_string()))?);
        }
        if is_next_due || list.len() != before {
            seen = self.objects.write(&seen, &written(&list)?).await.map_err(in_secret)?;
            tracing::info!(count = list.len(), is_new = is_next_due, "the CAs that node agents trust have changed");
        }
        let in_config_map = |error| AuthorityError::Request { what: self.objects.config_map(), error };
        if self.objects.publish(&ca::bundle(&list)).await.map_err(in_config_map)? {
            tracing::info!(config_map = self.objects.config_map(), "the CAs that node agents trust were published");
        }
        if list.iter().any(|ca| ca.times.published.is_none()) {
            for ca in &mut list {
                ca.times.published.get_or_insert(now);
            }
            self.objects.write(&seen, &written(&list)?).await.map_err(in_secret)?;
        }
        Ok(list)
    }

    /// Also where nothing could be read: what is known lasts for months.
    fn renew(&self, list: &[Ca]) {
        match self.serving.renew(list, &self.names, self.clock.now()) {
            Ok(true) => tracing::info!(names = self.names.join(", "), "a certificate for node agents was made"),
            Ok(false) => {}
            Err(error) => tracing::error!(error = format!("{error:#}"), "no certificate for node agents can be made"),
        }
        self.expiry.set(self.serving.not_after().map_or(0, |at| at.timestamp()));
    }
}

fn written(list: &[Ca]) -> Result<zeroize::Zeroizing<Vec<u8>>, AuthorityError> {
    ca::write(list).map_err(|e| AuthorityError::Making(e.to_string()))
}
