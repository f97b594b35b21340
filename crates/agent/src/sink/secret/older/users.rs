//! Who refers to a Secret: what runs, what will run again, and what serves with its certificate.

use std::collections::BTreeSet;

use lockstep_core::name::Namespace;

use super::super::Shared;
use super::super::failure::Failure;
use super::super::location::Location;
use super::super::mentions::{self, Mentions};
use super::{PAGES_MAX, page};
use crate::sink::SinkError;

/// A kind of objects that may refer to a Secret of their namespace.
struct Users {
    path: &'static str,
    /// Whether a cluster may be without this kind.
    is_optional: bool,
}

const fn users(path: &'static str) -> Users {
    Users { path, is_optional: false }
}

/// Kinds beyond these are not known, and no Role could list them all: what they refer to is kept by age alone.
const USERS: [Users; 10] = [
    users("/api/v1/namespaces/{}/pods"),
    users("/apis/apps/v1/namespaces/{}/deployments"),
    users("/apis/apps/v1/namespaces/{}/statefulsets"),
    users("/apis/apps/v1/namespaces/{}/daemonsets"),
    // `kubectl rollout undo` goes back to one of them.
    users("/apis/apps/v1/namespaces/{}/replicasets"),
    users("/apis/batch/v1/namespaces/{}/jobs"),
    users("/apis/batch/v1/namespaces/{}/cronjobs"),
    // What images are pulled with.
    users("/api/v1/namespaces/{}/serviceaccounts"),
    users("/apis/networking.k8s.io/v1/namespaces/{}/ingresses"),
    Users { path: "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways", is_optional: true },
];

impl Shared {
    /// Which of these somebody refers to. An error where that is not known for sure: nothing may be removed then.
    pub(in super::super) async fn mentioned(
        &self,
        namespace: &Namespace,
        locations: &[Location],
    ) -> Result<BTreeSet<String>, SinkError> {
        let names: BTreeSet<String> = locations.iter().map(|location| location.name.clone()).collect();
        let mut mentions = Mentions::of(names);
        let Some(at) = locations.first() else { return Ok(BTreeSet::new()) };
        for users in &USERS {
            self.look_through(users, namespace, at, &mut mentions).await?;
            if mentions.has_all() {
                break;
            }
        }
        Ok(mentions.found())
    }

    async fn look_through(
        &self,
        users: &Users,
        namespace: &Namespace,
        at: &Location,
        mentions: &mut Mentions,
    ) -> Result<(), SinkError> {
        let path = users.path.replace("{}", namespace.as_str());
        let strange = || Failure::Strange.explain("find who uses", "list", at);
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let body = match self.api.page(&page(&path, "", next.as_deref())).await {
                Ok(body) => body,
                Err(Failure::Refused(refused)) if refused.code == 404 && users.is_optional => return Ok(()),
                Err(failure) => return Err(failure.explain_users("find who uses", users.path, at)),
            };
            next = mentions::read(&body, mentions).map_err(|()| strange())?;
            if next.is_none() || mentions.has_all() {
                return Ok(());
            }
        }
        Err(strange())
    }
}
