//! `GET /v1/holders`.

use axum::Json;
use axum::extract::State;
use lockstep_api::API_VERSION;
use lockstep_api::holder::{Holder, HolderList};
use lockstep_api::manifest::ListMetadata;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_core::revision::Revision;
use lockstep_store::page::Page;
use lockstep_store::secret::Said;
use lockstep_store::{StoreError, delivery};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::deliveries::shown::restart;
use super::problem::ApiError;
use super::query::{Params, page};
use super::{meant, secrets};
use crate::app::App;

/// Whose holders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HolderQuery {
    /// The secret: `PATH`, `MOUNT/PATH` or `SOURCE/MOUNT/PATH`. Where that may mean several, they are named.
    secret: String,
    /// Only a secret of this source.
    source: Option<String>,
    /// Only a secret of this mount.
    mount: Option<String>,
    /// Only those that have this version.
    version: Option<u64>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List who has a secret
///
/// Which clusters have which version, as their agents confirmed it, and what is known of the workloads that use it. Also those that should have
/// it and do not yet, and those that are to give it up and did not yet confirm that. A cluster that kept it when its binding was deleted is not
/// known any more.
#[utoipa::path(
    get,
    path = "/v1/holders",
    operation_id = "listHolders",
    tag = "state",
    params(HolderQuery),
    responses(
        (status = 200, description = "One page, by cluster and binding", body = HolderList),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_holders(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<HolderQuery>,
) -> Result<Json<HolderList>, ApiError> {
    let page = Page { reach: caller.reach(Action::Read)?, ..page(query.limit, query.continue_from)? };
    let said = Said { text: &query.secret, source: query.source.as_deref(), mount: query.mount.as_deref() };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let secret = meant::secret(&mut connection, said, &page.reach).await?;
    let (holders, next) = delivery::holders(&mut connection, secret.record.id, query.version, &page).await?;
    Ok(Json(HolderList {
        api_version: API_VERSION.to_owned(),
        kind: "HolderList".to_owned(),
        metadata: ListMetadata { continue_from: next },
        secret: secrets::shown(secret),
        items: holders.into_iter().map(shown).collect(),
    }))
}

fn shown(holder: delivery::Holder) -> Holder {
    let workloads = workloads(&holder);
    Holder {
        cluster: holder.cluster,
        binding: holder.binding,
        project: holder.project,
        version: holder.version,
        former_life: holder.former_life,
        desired: holder.desired,
        confirmed_at: holder.confirmed_at,
        status: holder.status.map_or_else(|| "Leaving".to_owned(), |status| status.to_string()),
        cause: holder.cause,
        workloads,
        restart: holder.restart.map(|(revision, progress)| restart(revision, progress)),
    }
}

/// What is not known is said to be so: agents report on restarts that they make, and on nothing else.
fn workloads(holder: &delivery::Holder) -> String {
    let is_current = |of: &Revision| holder.applied.is_some_and(|applied| *of >= applied);
    match &holder.restart {
        _ if holder.version.is_none() => String::new(),
        _ if holder.status.is_none() => "not known: nothing is restarted for what goes".to_owned(),
        _ if !holder.restarts => "not known: the binding restarts nothing".to_owned(),
        None => "not known: nothing was reported yet".to_owned(),
        Some((of, progress)) if is_current(of) => restart(*of, progress.clone()).text,
        // Nothing changed for them since, or it was not looked at yet: both are so.
        Some((of, progress)) => format!("{} (as of revision {of})", restart(*of, progress.clone()).text),
    }
}
