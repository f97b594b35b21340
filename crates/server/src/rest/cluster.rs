//! Clusters. Applying one writes its labels only; each move of its life is a call of its own.

pub(crate) mod confirm_deletions;
mod life;
pub(crate) mod mint_join_token;
pub(crate) mod pause;
pub(crate) mod rejoin;
mod relabelled;
mod remove;
pub(crate) mod resume;
pub(crate) mod revoke;
pub(crate) mod revoke_join_tokens;
mod status;

use lockstep_api::cluster::{CheckedCluster, ClusterSpec, ClusterStatus};
use lockstep_api::field::FieldError;
use lockstep_core::access::{Action, Forbidden, Permissions, Place};
use lockstep_core::cluster::ClusterState;
use lockstep_core::id::ClusterId;
use lockstep_store::change::Writing;
use lockstep_store::cluster::{self, ClusterRecord};
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, Result as StoreResult, placement};
use serde_json::Value;

use super::code::Code;
use super::problem::ApiError;
use super::resource::{PageOf, Resource};
use crate::config::Config;
use crate::oidc::service_account;
use remove::RemoveQuery;

/// Clusters.
pub(crate) struct Clusters;

impl Resource for Clusters {
    const KIND: &'static str = "Cluster";
    const SINGULAR: &'static str = "cluster";
    const PLURAL: &'static str = "clusters";
    const ABOUT: &'static str = "A registered place with one agent. Bindings and grants select it by its labels.";
    const WRITTEN: &'static str = "ClusterWritten";
    const DELETED: &'static str = "ClusterRemoving";
    const WRITING: Action = Action::Operate;
    type Spec = ClusterSpec;
    type Status = ClusterStatus;
    type Checked = CheckedCluster;
    type Record = ClusterRecord;
    type DeleteQuery = RemoveQuery;

    fn check(_: &Config, spec: &ClusterSpec) -> Result<CheckedCluster, Vec<FieldError>> {
        CheckedCluster::try_from(spec).and_then(|checked| match &checked.service_account_issuer {
            Some(issuer) if !service_account::is_usable(issuer) => {
                let reason = "has no key that signs with RS256, ES256 or ES384, as Kubernetes does".to_owned();
                Err(vec![FieldError { field: "spec.serviceAccountIssuer.jwks".to_owned(), reason }])
            }
            _ => Ok(checked),
        })
    }

    fn checked(record: &ClusterRecord) -> CheckedCluster {
        CheckedCluster { service_account_issuer: record.service_account_issuer.clone() }
    }

    fn wire(checked: &CheckedCluster) -> ClusterSpec {
        checked.into()
    }

    fn may_see(permissions: &Permissions, _: &Registered<ClusterRecord>) -> bool {
        permissions.allow(Action::Read, Place::Shared)
    }

    /// It names bindings of all projects.
    fn may_see_status(permissions: &Permissions, record: &Registered<ClusterRecord>) -> bool {
        permissions.allow(Action::Read, Place::Cluster(&record.labels))
    }

    async fn may_put(
        connection: &mut PgConnection,
        permissions: &Permissions,
        present: Option<&Registered<ClusterRecord>>,
        written: &Written,
        checked: &CheckedCluster,
    ) -> Result<(), ApiError> {
        let issuer = present.and_then(|present| present.spec.service_account_issuer.as_ref());
        if issuer != checked.service_account_issuer.as_ref() {
            // As with join tokens: whoever says who may join can be the cluster.
            let labels = present.map_or(&written.labels, |present| &present.labels);
            permissions.require(Action::Administer, Place::Cluster(labels))?;
        }
        relabelled::check(connection, permissions, present.map(|present| &present.labels), &written.labels).await
    }

    fn may_delete(permissions: &Permissions, present: &Registered<ClusterRecord>) -> Result<(), Forbidden> {
        permissions.require(Action::Administer, Place::Cluster(&present.labels))
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<ClusterRecord>> {
        cluster::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<ClusterRecord>> {
        cluster::list(connection, page).await
    }

    async fn statuses(
        connection: &mut PgConnection,
        records: &[Registered<ClusterRecord>],
    ) -> Result<Vec<ClusterStatus>, ApiError> {
        status::statuses(connection, records).await
    }

    fn deleted(query: &RemoveQuery) -> &'static str {
        query.change()
    }

    fn forgets(present: &Registered<ClusterRecord>, query: &RemoveQuery) -> Option<ClusterId> {
        query.forgets().then(|| present.id.into())
    }

    fn writable(present: &Registered<ClusterRecord>) -> Result<(), ApiError> {
        if present.spec.state != ClusterState::Removing {
            return Ok(());
        }
        let name = &present.name;
        let detail = format!(
            "cluster {name:?} is being removed: `lockstep wait --for=delete cluster/{name}`, or give the new one another name"
        );
        Err(ApiError::new(Code::WrongState, detail))
    }

    async fn put(
        writing: &mut Writing,
        present: Option<&Registered<ClusterRecord>>,
        written: &Written,
        checked: &CheckedCluster,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        cluster::put(writing.connection(), written, checked.service_account_issuer.as_ref(), seq).await?;
        if present.is_some_and(|p| p.labels == written.labels) {
            return Ok(0);
        }
        let id = cluster::get(writing.connection(), &written.name).await?.id;
        Ok(placement::replan_cluster(writing.connection(), id.into(), seq).await?)
    }

    async fn delete(
        writing: &mut Writing,
        present: &Registered<ClusterRecord>,
        query: &RemoveQuery,
    ) -> Result<Option<Value>, ApiError> {
        remove::remove(writing, present, query).await
    }
}
