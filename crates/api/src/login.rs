//! How to log in, for somebody who is not.

use serde::{Deserialize, Serialize};

/// Where people can log in. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoginMethods {
    /// The OIDC issuers at which people log in with a browser; those for machines only are not among them.
    pub oidc: Vec<OidcLogin>,
}

/// An OIDC issuer, and as which client a command logs people in there: one without a secret, with PKCE and a redirect to its own machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OidcLogin {
    /// What the server calls the issuer.
    pub name: String,
    /// Its URL; its discovery document is below it.
    pub issuer: String,
    /// The client's id there.
    pub client_id: String,
    /// What to ask for: `openid` and what the claims for user and groups need.
    pub scopes: Vec<String>,
}
