//! `POST /v1/sources/{name}/check`.

use axum::Json;
use axum::extract::State;
use lockstep_api::problem::Problem;
use lockstep_api::source::{CheckStep, SourceCheck};
use lockstep_core::access::{Action, Place};
use lockstep_core::name::SourceName;
use lockstep_core::source::SourceSpec;
use lockstep_store::StoreError;
use lockstep_vault::{Health, Missing, Right, Secret, VaultError};

use super::{bound, needed_rights};
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;

/// The most missing rights that an answer names.
const NAMED_MAX: usize = 20;

/// Check a source
///
/// Tries, from the replica that answers, what watching and reading need: an active node, a login, and the rights for every path that is bound. Reads
/// no secret. What goes wrong is in the answer, which is 200 all the same.
#[utoipa::path(
    post,
    path = "/v1/sources/{name}/check",
    operation_id = "checkSource",
    tag = "sources",
    params(("name" = String, Path, description = "The source's name")),
    responses(
        (status = 200, description = "What was tried, up to the first failure", body = SourceCheck),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn check_source(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<SourceCheck>, ApiError> {
    caller.require(Action::Operate, Place::Everything)?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (spec, secrets) = bound(&mut connection, &name).await?;
    drop(connection);
    let name = name.parse().map_err(ApiError::internal)?;
    let steps = attempt(&app, &name, &spec, &secrets).await;
    Ok(Json(SourceCheck { ok: steps.iter().all(|step| step.ok), replica: app.config.replica.clone(), steps }))
}

async fn attempt(app: &App, name: &SourceName, spec: &SourceSpec, secrets: &[Secret]) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let client = match app.sources.client(name, spec).await {
        Ok(client) => client,
        Err(error) => {
            steps.push(failed("settings", error.to_string()));
            return steps;
        }
    };
    let unfit = match client.health().await {
        Ok(Health::Active) => None,
        Ok(Health::Standby) => Some(VaultError::Standby),
        Ok(Health::Sealed) => Some(VaultError::Sealed),
        Ok(Health::Uninitialised) => Some(VaultError::Uninitialised),
        Err(error) => Some(error),
    };
    if let Some(error) = unfit {
        steps.push(failed("node", error.to_string()));
        return steps;
    }
    steps.push(good("node", "an active node answers".to_owned()));
    // Asking what the token may do logs in.
    let rights = needed_rights(spec);
    match client.missing_rights(secrets, rights).await {
        Err(error) => steps.push(failed("login", error.to_string())),
        Ok(missing) => {
            steps.push(good("login", format!("credential set {} is accepted", spec.credentials)));
            steps.push(judged(secrets.len(), rights, &missing));
        }
    }
    steps
}

fn judged(secrets: usize, rights: &[Right], missing: &[Missing]) -> CheckStep {
    if missing.is_empty() {
        let by = if rights.contains(&Right::Read) { "watched and read" } else { "watched; each cluster reads for itself" };
        return good("rights", format!("all {secrets} bound secrets may be {by}"));
    }
    let named = missing.iter().take(NAMED_MAX).map(|right| format!("{} on {}", right.capability, right.path));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = missing.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    failed("rights", format!("the policy lacks {named}{more}: `lockstep source policy` writes one that is enough"))
}

fn good(what: &str, text: String) -> CheckStep {
    CheckStep { what: what.to_owned(), ok: true, text }
}

fn failed(what: &str, text: String) -> CheckStep {
    CheckStep { what: what.to_owned(), ok: false, text }
}
