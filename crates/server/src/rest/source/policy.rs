//! `GET /v1/sources/{name}/policy`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use lockstep_api::problem::Problem;
use lockstep_api::source::SourcePolicy;
use lockstep_core::access::{Action, Place};
use lockstep_store::{PgConnection, StoreError, cluster, delivery};
use lockstep_vault::{Right, Secret, least_policy};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{bound, needed_rights};
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::query::Params;

/// Of a policy.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PolicyQuery {
    /// A cluster's name: what it needs to read for itself, where the source has `readAs: Cluster`.
    cluster: Option<String>,
}

/// Write a source's least policy
///
/// In HCL: what the server's credentials need to watch and read what is bound now, and no more; or what a cluster needs that reads for itself.
#[utoipa::path(
    get,
    path = "/v1/sources/{name}/policy",
    operation_id = "showSourcePolicy",
    tag = "sources",
    params(("name" = String, Path, description = "The source's name"), PolicyQuery),
    responses(
        (status = 200, description = "The policy", body = SourcePolicy),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_policy(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<PolicyQuery>,
) -> Result<Json<SourcePolicy>, ApiError> {
    // It names paths of all projects.
    caller.require(Action::Read, Place::Everything)?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (spec, secrets) = bound(&mut connection, &name).await?;
    let (secrets, rights) = match &query.cluster {
        None => (secrets, needed_rights(&spec)),
        Some(_) if spec.read_as.is_server() => {
            let detail = format!("source {name:?} has readAs: Server: clusters need no policy there");
            return Err(ApiError::new(Code::InvalidQuery, detail));
        }
        Some(cluster) => (read_by(&mut connection, cluster, &name).await?, [Right::Read].as_slice()),
    };
    Ok(Json(SourcePolicy { secrets: secrets.len() as u64, policy: least_policy(&secrets, rights) }))
}

/// What a cluster reads for itself at the source.
async fn read_by(connection: &mut PgConnection, cluster: &str, source: &str) -> Result<Vec<Secret>, ApiError> {
    let cluster = cluster::get(connection, cluster).await?;
    let reads = delivery::read_as_cluster(connection, cluster.id.into()).await?;
    let here = reads.into_iter().filter(|read| read.source.as_str() == source);
    let secrets: BTreeSet<Secret> = here.map(|read| Secret { engine: read.engine, mount: read.mount, path: read.path }).collect();
    Ok(secrets.into_iter().collect())
}
