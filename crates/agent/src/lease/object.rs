//! The Lease as an object of Kubernetes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::Said;
use crate::kubernetes::{CREATOR, Kubernetes, RequestError};

/// Where the Lease is, and as whom we write it.
#[derive(Debug, Clone)]
pub(super) struct LeaseObject {
    kubernetes: Kubernetes,
    api: Api<Lease>,
    name: String,
    us: String,
    duration: Duration,
}

impl LeaseObject {
    pub(super) fn new(kubernetes: &Kubernetes, name: &str, us: String, duration: Duration) -> Self {
        let api = Api::namespaced(kubernetes.client.clone(), &kubernetes.namespace);
        Self { kubernetes: kubernetes.clone(), api, name: name.to_owned(), us, duration }
    }

    pub(super) fn us(&self) -> &str {
        &self.us
    }

    pub(super) fn duration(&self) -> Duration {
        self.duration
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.kubernetes.request_timeout
    }

    /// `None` where there is none.
    pub(super) async fn read(&self) -> Result<Option<Lease>, RequestError> {
        self.kubernetes.within(self.api.get_opt(&self.name)).await
    }

    /// Makes one that nobody holds. By server-side apply, which is authorised with the object's name; and applied with nothing in
    /// it, so that one that another replica made and took a moment ago stays as it is.
    pub(super) async fn create(&self) -> Result<Lease, RequestError> {
        let empty = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": self.name, "labels": { "lockstep.dev/component": "agent" } },
        });
        let (parameters, patch) = (PatchParams::apply(CREATOR), Patch::Apply(empty));
        self.kubernetes.within(self.api.patch(&self.name, &parameters, &patch)).await
    }

    /// Writes that we hold it; refused if it is not as it was `found`. `now` is for people to read.
    pub(super) async fn hold(&self, found: Lease, term: u64, now: DateTime<Utc>) -> Result<Lease, RequestError> {
        self.write(found, Some((term, now))).await
    }

    /// Writes that nobody holds it; refused if it is not as it was `found`.
    pub(super) async fn release(&self, found: Lease) -> Result<Lease, RequestError> {
        self.write(found, None).await
    }

    async fn write(&self, mut lease: Lease, hold: Option<(u64, DateTime<Utc>)>) -> Result<Lease, RequestError> {
        let spec = lease.spec.get_or_insert_default();
        // Kubernetes' validation wants a duration above 0, also of a Lease that nobody holds.
        spec.lease_duration_seconds = Some(self.duration.as_secs().try_into().unwrap_or(i32::MAX));
        match hold {
            None => spec.holder_identity = Some(String::new()),
            Some((term, now)) => {
                let term = term.try_into().unwrap_or(i32::MAX);
                let now = Timestamp::from_microsecond(now.timestamp_micros()).ok().map(MicroTime);
                if spec.lease_transitions != Some(term) {
                    spec.acquire_time.clone_from(&now);
                }
                spec.holder_identity = Some(self.us.clone());
                spec.lease_transitions = Some(term);
                spec.renew_time = now;
            }
        }
        self.kubernetes.within(self.api.replace(&self.name, &PostParams::default(), &lease)).await
    }

    /// What it says.
    pub(super) fn said(&self, lease: &Lease) -> Said {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok());
        Said {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            term: spec.lease_transitions.and_then(|term| u64::try_from(term).ok()).unwrap_or(0),
            renewed: spec.renew_time.map(|time| time.0.to_string()),
            duration: seconds.map_or(self.duration, Duration::from_secs),
        }
    }
}
