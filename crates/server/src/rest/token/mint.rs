//! `POST /v1/tokens`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_api::access::Access;
use lockstep_api::field::Mistakes;
use lockstep_api::problem::Problem;
use lockstep_api::token::{MintedToken, TokenRequest};
use lockstep_core::access::{Access as CheckedAccess, Action, Scope};
use lockstep_core::name::TokenName;
use lockstep_store::api_token::{self, NewToken};
use lockstep_store::change::{Entry, Writing};
use serde_json::{Value, json};

use crate::app::App;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::problem::ApiError;
use crate::rest::project;
use crate::token::{Kind, hash, mint};

/// How long a token lives if nobody says: 90 days.
const TTL_DEFAULT_S: u32 = 90 * 86_400;
/// At least, and at most: a year.
const TTL_S: std::ops::RangeInclusive<u32> = 60..=365 * 86_400;
/// The longest description.
const DESCRIPTION_MAX_BYTES: usize = 1_024;

struct Checked {
    name: TokenName,
    access: CheckedAccess,
    life: Duration,
    description: Option<String>,
}

/// Mint an API token
///
/// For a person's or a job's calls. This answer is the only one that ever shows it; the registry keeps its hash. It may do at most what its maker
/// may do as an admin.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "mintToken",
    tag = "tokens",
    request_body = TokenRequest,
    responses(
        (status = 201, description = "The token", body = MintedToken),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn mint_token(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<MintedToken>), ApiError> {
    caller.permissions.require_anywhere(Action::Administer)?;
    let Checked { name, access, life, description } = check(body.decode()?)?;
    caller.permissions.require_giving(&access.scope)?;
    let token = mint(Kind::Api).map_err(ApiError::internal)?;

    let mut writing = Writing::begin(&app.pool).await?;
    if let Scope::Project(named) = &access.scope {
        project::id_at(writing.connection(), "scope.project", named).await?;
    }
    let detail = detail(&access, life);
    let (permissions, hash) = (vec![access].into(), hash(&token));
    let new =
        NewToken { name: &name, hash: &hash, permissions: &permissions, description: description.as_deref(), life: Some(life) };
    let Some(expires_at) = api_token::insert(writing.connection(), new).await? else {
        let detail = format!("token \"{name}\" exists already: choose another name, or revoke it first");
        return Err(ApiError::new(Code::AlreadyExists, detail));
    };
    let entry = Entry { actor: caller.actor, kind: "ApiTokenMinted", subject: format!("token/{name}"), detail };
    writing.commit(&entry).await?;
    let minted = MintedToken { name: name.to_string(), token, expires_at };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(minted)))
}

fn check(request: TokenRequest) -> Result<Checked, ApiError> {
    let TokenRequest { name, role, scope, ttl_seconds, description } = request;
    let mut mistakes = Mistakes::default();
    let name = mistakes.parse("name", &name);
    let access = Access { role, scope }.check("", &mut mistakes);
    let ttl = ttl_seconds.unwrap_or(TTL_DEFAULT_S);
    if !TTL_S.contains(&ttl) {
        mistakes.add("ttlSeconds", format!("{ttl} is not between {} and {} (a year)", TTL_S.start(), TTL_S.end()));
    }
    if description.as_ref().is_some_and(|text| text.len() > DESCRIPTION_MAX_BYTES) {
        mistakes.add("description", format!("longer than the {DESCRIPTION_MAX_BYTES} bytes allowed"));
    }
    let checked = || Some(Checked { name: name?, access: access?, life: Duration::from_secs(ttl.into()), description });
    mistakes.finish(checked()).map_err(ApiError::invalid)
}

fn detail(access: &CheckedAccess, life: Duration) -> Value {
    let mut detail = json!({"access": Access::from(access), "ttlSeconds": life.as_secs()});
    if let Scope::Project(project) = &access.scope {
        detail["project"] = json!(project);
    }
    detail
}
