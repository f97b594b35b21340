//! Who is calling: a bearer token, of which the registry has the hash.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use lockstep_store::{StoreError, api_token};

use super::code::Code;
use super::problem::ApiError;
use crate::app::App;
use crate::{actor, token};

/// A caller whose token is known.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// As changes are recorded, such as `token:bootstrap`.
    pub(crate) actor: String,
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // The router's layer has asked already; an endpoint that wants to know who it was does not ask again.
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let token =
            bearer(parts).ok_or_else(|| unauthenticated("this needs an API token, sent as \"Authorization: Bearer TOKEN\""))?;
        let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
        let name = api_token::find(&mut connection, &token::hash(token)).await?;
        let name = name.ok_or_else(|| unauthenticated("this API token is not known, or was revoked"))?;
        let caller = Self { actor: actor::token(&name) };
        tracing::Span::current().record("actor", &caller.actor);
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn unauthenticated(what: &str) -> ApiError {
    ApiError::new(Code::Unauthenticated, format!("{what}: log in with `lockstep login --server ADDRESS --token-file FILE`"))
}
