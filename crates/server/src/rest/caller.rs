//! Who is calling, and what he may do: a bearer token, of which the registry has the hash, or which an OIDC issuer signed.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use lockstep_core::access::{Action, Forbidden, Permissions, Place, Reach};
use lockstep_store::{StoreError, api_token, role_assignment};

use super::code::Code;
use super::logins::{Logins, Peer};
use super::problem::ApiError;
use crate::app::App;
use crate::oidc::{Identity, Refused};
use crate::{actor, clock, token};

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
            bearer(parts).ok_or_else(|| unauthenticated("this needs a token, sent as \"Authorization: Bearer TOKEN\""))?;
        let logins = parts.extensions.get::<Logins>().cloned();
        let logins = logins.ok_or_else(|| ApiError::internal(anyhow::anyhow!("the router counts no logins")))?;
        let login = logins.begin(parts.extensions.get().map(|ConnectInfo(Peer(address))| *address)).await;
        let caller = match Self::identified(app, token).await {
            Err(error) if error.code() == Code::Unauthenticated => return Err(login.failed(error)),
            outcome => outcome?,
        };
        tracing::Span::current().record("actor", &caller.actor);
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

impl Caller {
    /// What was assigned to him is read each time: what is taken away counts at once.
    async fn vouched_for(app: &App, Identity { issuer, user, groups, .. }: &Identity) -> Result<Self, ApiError> {
        let name = issuer.parse().map_err(ApiError::internal)?;
        let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
        let permissions = role_assignment::permissions(&mut connection, &name, user, groups).await?;
        Ok(Self { actor: actor::oidc(issuer, user), permissions })
    }

    async fn identified(app: &App, token: &str) -> Result<Self, ApiError> {
        match app.issuers.verify(token, clock::now()).await? {
            Some(identity) => Self::vouched_for(app, &identity).await,
            None => Self::with_token(app, token).await,
        }
    }

    async fn with_token(app: &App, token: &str) -> Result<Self, ApiError> {
        let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
        let found = api_token::find(&mut connection, &token::hash(token)).await?;
        let (name, permissions) =
            found.ok_or_else(|| unauthenticated("this API token is not known, has expired, or was revoked"))?;
        Ok(Self { actor: actor::token(&name), permissions })
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        if refused.is_ours() {
            return Self::new(Code::IssuerUnavailable, refused.to_string());
        }
        unauthenticated(&refused.to_string())
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn unauthenticated(what: &str) -> ApiError {
    ApiError::new(Code::Unauthenticated, format!("{what}: log in with `lockstep login --server ADDRESS --token-file FILE`"))
}
