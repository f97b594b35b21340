//! `GET /v1/why`.

use axum::Json;
use axum::extract::State;
use lockstep_api::problem::Problem;
use lockstep_api::why::{BindingReason, GrantReason, Why};
use lockstep_core::access::{Action, Reach};
use lockstep_core::binding::SecretRef;
use lockstep_core::cluster::{ClusterFacts, ClusterState};
use lockstep_core::grant::Grant;
use lockstep_core::kv::KvMount;
use lockstep_core::name::{Namespace, SourceName};
use lockstep_core::why::{Fit, Reason, why};
use lockstep_store::binding::BindingRecord;
use lockstep_store::delivery::{self, Filter};
use lockstep_store::grant::GrantRecord;
use lockstep_store::meta::Registered;
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, StoreError, binding, cluster, grant, secret};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::code::Code;
use super::problem::ApiError;
use super::query::Params;
use crate::app::App;

/// The most bindings, and the most grants, that an answer explains.
const EXPLAINED_MAX: usize = 50;

/// What is asked about.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhyQuery {
    /// The cluster's name.
    cluster: String,
    /// The secret, as `SOURCE/MOUNT/PATH`.
    secret: String,
    /// A namespace in the cluster; any, if absent.
    namespace: Option<String>,
}

/// Explain who gets a secret
///
/// Which bindings and grants let this secret go to this cluster, or what is missing. At most 50 of each are explained.
#[utoipa::path(
    get,
    path = "/v1/why",
    operation_id = "explain",
    tag = "state",
    params(WhyQuery),
    responses(
        (status = 200, description = "Why, or why not", body = Why),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn explain(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<WhyQuery>,
) -> Result<Json<Why>, ApiError> {
    let reach = caller.reach(Action::Read)?;
    let namespace = query.namespace.as_deref().map(str::parse::<Namespace>).transpose();
    let namespace = namespace.map_err(|e| ApiError::new(Code::InvalidQuery, format!("namespace: {e}")))?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let found = cluster::get(&mut connection, &query.cluster).await?;
    let name = found.name.parse().map_err(|e| ApiError::new(Code::InvalidQuery, format!("cluster: {e}")))?;
    let place =
        Place { facts: ClusterFacts { id: found.id.into(), name, labels: found.labels, state: found.spec.state }, namespace };
    let grants = grant::all(&mut connection, &reach).await?;
    let secret = parse(&mut connection, &query.secret, &grants).await?;
    let uses = binding::of_secret(&mut connection, &secret, &reach, (&place.facts.name, &place.facts.labels)).await?;
    let mut bindings = Vec::new();
    for used in uses.iter().take(EXPLAINED_MAX) {
        bindings.push(of_binding(&mut connection, &reach, used, &secret, &place, &grants).await?);
    }
    let grants = of_grants(&grants, &uses, &secret, &place);
    let allowed = bindings.iter().any(|b| b.allowed);
    Ok(Json(Why { allowed, summary: summary(&secret, &bindings, &grants), bindings, grants }))
}

/// Where the secret would go.
struct Place {
    facts: ClusterFacts,
    namespace: Option<Namespace>,
}

/// A mount may have a `/`: of those that are known in the source the longest that fits, else the first part.
async fn parse(connection: &mut PgConnection, text: &str, grants: &[Registered<GrantRecord>]) -> Result<SecretRef, ApiError> {
    let wrong = |why: String| ApiError::new(Code::InvalidQuery, format!("secret: {text:?} is not SOURCE/MOUNT/PATH: {why}"));
    let (source, rest) = text.split_once('/').ok_or_else(|| wrong("it has one part".to_owned()))?;
    let source: SourceName = source.parse().map_err(|e| wrong(format!("{e}")))?;
    let mut mounts = secret::mounts(connection, &source).await?;
    let granted = grants.iter().flat_map(|grant| &grant.spec.spec.paths);
    mounts.extend(granted.filter(|paths| paths.source == source).map(|paths| paths.mount.clone()));
    let below = |mount: &str| rest.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/'));
    let fitting = mounts.iter().map(KvMount::as_str).filter(|mount| below(mount).is_some());
    let first = rest.split('/').next().unwrap_or_default();
    let mount = fitting.max_by_key(|mount| mount.len()).unwrap_or(first);
    let path = below(mount).ok_or_else(|| wrong("it has two parts".to_owned()))?;
    let mount = mount.parse().map_err(|e| wrong(format!("{e}")))?;
    let path = path.parse().map_err(|e| wrong(format!("{e}")))?;
    let engine = secret::engine(connection, &source, &mount, &path).await?.unwrap_or_default();
    Ok(SecretRef { source, engine, mount, path })
}

async fn of_binding(
    connection: &mut PgConnection,
    reach: &Reach,
    used: &Registered<BindingRecord>,
    secret: &SecretRef,
    place: &Place,
    grants: &[Registered<GrantRecord>],
) -> Result<BindingReason, ApiError> {
    let BindingRecord { project, binding } = &used.spec;
    let ours: Vec<Grant> = grants
        .iter()
        .filter(|grant| grant.spec.project_id == binding.project)
        .map(|grant| Grant { id: grant.id.into(), project: binding.project, spec: grant.spec.spec.clone() })
        .collect();
    let reason = why(binding, secret, &place.facts, place.namespace.as_ref(), &ours);
    let allowing = match &reason {
        Reason::Allowed(ids) => ids.as_slice(),
        _ => &[],
    };
    let names = grants.iter().filter(|grant| allowing.contains(&grant.id.into())).map(|grant| grant.name.clone()).collect();
    let filter = Filter { cluster: Some(place.facts.name.as_str()), binding: Some(&used.name), ..Filter::default() };
    let page = Page { limit: 1, reach: reach.clone(), ..Page::default() };
    let delivery = delivery::list(connection, filter, &page).await?.0.pop();
    let (status, cause) = delivery.map_or((None, None), |d| (Some(d.status.to_string()), d.cause));
    Ok(BindingReason {
        name: used.name.clone(),
        project: project.to_string(),
        allowed: !allowing.is_empty(),
        reason: words(&reason, used, place),
        grants: names,
        status,
        cause,
    })
}

fn words(reason: &Reason, used: &Registered<BindingRecord>, place: &Place) -> String {
    let cluster = &place.facts.name;
    match reason {
        Reason::Allowed(_) => "selects the cluster, and grants allow it".to_owned(),
        Reason::State(ClusterState::Revoked) => format!("cluster {cluster} is revoked"),
        Reason::State(_) => format!("cluster {cluster} is being removed"),
        Reason::NotSelected => {
            format!("does not select cluster {cluster}: it asks for {}", used.spec.binding.spec.clusters)
        }
        Reason::OtherNamespaces(namespaces) => {
            let namespaces: Vec<&str> = namespaces.iter().map(Namespace::as_str).collect();
            format!("delivers to other namespaces: {}", namespaces.join(", "))
        }
        Reason::NoNamespace => "delivers to a directory, and so to no namespace".to_owned(),
        Reason::Ungranted => {
            format!("no grant of project {} allows it there: ask an administrator for one", used.spec.project)
        }
    }
}

/// Those that name the path, and those of projects that have a binding for it.
fn of_grants(
    grants: &[Registered<GrantRecord>],
    uses: &[Registered<BindingRecord>],
    secret: &SecretRef,
    place: &Place,
) -> Vec<GrantReason> {
    let fit = |grant: &Registered<GrantRecord>| Fit::of(&grant.spec.spec, secret, &place.facts, place.namespace.as_ref());
    let matters = |grant: &&Registered<GrantRecord>| {
        fit(grant).path || uses.iter().any(|used| used.spec.binding.project == grant.spec.project_id)
    };
    let one = |grant: &Registered<GrantRecord>| GrantReason {
        name: grant.name.clone(),
        project: grant.spec.project.to_string(),
        allows: fit(grant).is_whole(),
        reason: fit(grant).to_string(),
    };
    grants.iter().filter(matters).take(EXPLAINED_MAX).map(one).collect()
}

fn summary(secret: &SecretRef, bindings: &[BindingReason], grants: &[GrantReason]) -> String {
    if let Some(by) = bindings.iter().find(|b| b.allowed) {
        return format!("binding {} of project {} delivers it there, by grant {}", by.name, by.project, by.grants.join(" and "));
    }
    if let [only] = bindings {
        return format!("binding {} of project {} {}", only.name, only.project, only.reason);
    }
    if !bindings.is_empty() {
        return format!("{} bindings use it, and none may deliver it there", bindings.len());
    }
    let SecretRef { source, mount, path, .. } = secret;
    let grant = grants.iter().find(|g| g.allows);
    let rest = grant.map_or_else(
        || "and no grant allows it there either".to_owned(),
        |grant| format!("though grant {} allows it to project {}", grant.name, grant.project),
    );
    format!("no binding uses {source}/{mount}/{path}, {rest}")
}
