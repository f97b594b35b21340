//! How to log in, asked by somebody who is not.

use std::path::PathBuf;

use lockstep_api::login::LoginMethods;

use super::client::Client;
use super::failure::TokenOrigin;

/// What the server says. No token is sent.
pub(crate) async fn ask(server: &str, certificate_authority: Option<&PathBuf>) -> anyhow::Result<LoginMethods> {
    let client = Client::new(server, certificate_authority, String::new(), TokenOrigin::Login)?;
    Ok(client.get_openly("login-methods").await?)
}
