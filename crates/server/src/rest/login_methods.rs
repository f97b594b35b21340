//! `GET /login-methods`: what somebody must know who has no token yet.

use axum::Json;
use axum::extract::State;
use lockstep_api::login::{LoginMethods, OidcLogin};

use crate::app::App;
use crate::config::OidcIssuer;

/// How to log in
///
/// The OIDC issuers at which people log in with a browser; `lockstep login --sso` asks for them.
#[utoipa::path(
    get,
    path = "/login-methods",
    operation_id = "loginMethods",
    tag = "login",
    security(()),
    responses((status = 200, description = "The ways there are", body = LoginMethods)),
)]
pub(crate) async fn login_methods(State(app): State<App>) -> Json<LoginMethods> {
    Json(of(&app.config.oidc))
}

/// Those of these issuers at which people can log in.
pub fn of(issuers: &[OidcIssuer]) -> LoginMethods {
    let login = |issuer: &OidcIssuer| {
        let client_id = issuer.client_id.clone()?;
        let (name, url) = (issuer.name.clone(), issuer.issuer.clone());
        Some(OidcLogin { name, issuer: url, client_id, scopes: issuer.scopes.clone() })
    };
    LoginMethods { oidc: issuers.iter().filter_map(login).collect() }
}
