//! `GET /v1/tokens`.

use axum::Json;
use axum::extract::State;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_api::token::Token;
use lockstep_core::access::Action;
use lockstep_store::StoreError;
use lockstep_store::api_token::{self, Listed};
use lockstep_store::page::Page;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::problem::ApiError;
use crate::rest::query::{Params, page};

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenQuery {
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List API tokens
///
/// Those that can be used, at scopes where the caller is an admin or auditor: never themselves, nor their hashes.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    params(TokenQuery),
    responses(
        (status = 200, description = "One page, by name", body = List<Token>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_tokens(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<TokenQuery>,
) -> Result<Json<List<Token>>, ApiError> {
    // Who else has access is an administrator's and an auditor's business.
    let reach = caller.reach(Action::Audit)?;
    let page = Page { reach, ..page(query.limit, query.continue_from)? };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (tokens, next) = api_token::list(&mut connection, &page).await?;
    Ok(Json(List::page("Token", tokens.into_iter().map(shown).collect(), next)))
}

fn shown(listed: Listed) -> Token {
    let Listed { name, permissions, description, created_at, expires_at, last_used_at } = listed;
    Token { name, access: permissions.iter().map(Into::into).collect(), description, created_at, expires_at, last_used_at }
}
