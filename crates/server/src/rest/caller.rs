//! Who is calling, and what he may do: a bearer token, of which the registry has the hash.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use lockstep_core::access::{Action, Forbidden, Permissions, Place, Reach};
use lockstep_store::{StoreError, api_token};

use super::code::Code;
use super::problem::ApiError;
use crate::app::App;
use crate::{actor, token};

/// A caller who is known.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// As changes are recorded, such as `token:bootstrap`.
    pub(crate) actor: String,
    /// What it may do.
    pub(crate) permissions: Permissions,
}

impl Caller {
    /// That it may do this there.
    pub(crate) fn require(&self, action: Action, place: Place<'_>) -> Result<(), ApiError> {
        self.permissions.require(action, place).map_err(Into::into)
    }

    /// Where it may do this; refused if nowhere.
    pub(crate) fn reach(&self, action: Action) -> Result<Reach, ApiError> {
        self.permissions.require_anywhere(action)?;
        Ok(self.permissions.reach(action))
    }
}

impl From<Forbidden> for ApiError {
    fn from(forbidden: Forbidden) -> Self {
        Self::new(Code::Forbidden, forbidden.to_string())
    }
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
        let found = api_token::find(&mut connection, &token::hash(token)).await?;
        let (name, permissions) =
            found.ok_or_else(|| unauthenticated("this API token is not known, has expired, or was revoked"))?;
        let caller = Self { actor: actor::token(&name), permissions };
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
