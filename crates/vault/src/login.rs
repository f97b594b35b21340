//! Logging in, and renewing what that gave.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::cert::requests::LoginRequest;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;
use vaultrs::api::token::requests::RenewTokenSelfRequest;
use zeroize::{Zeroize as _, Zeroizing};

use crate::answer::Answer;
use crate::credential_file;
use crate::error::{LoginFault, VaultError};
use crate::lease::Lease;
use crate::request::{Operation, Request};
use crate::settings::{Login, LoginMethod, ShownToken};
use crate::token::Token;
use crate::transport::Transport;

/// Logs in.
pub(crate) async fn login(transport: &Transport, login: &Login, deadline: Instant) -> Result<(Token, Lease), VaultError> {
    let request = describe(transport, login).await?;
    let answer = transport.send(&request, None, deadline).await?;
    if !answer.is_success() {
        return Err(refused(&answer, &request, login));
    }
    let (token, lease) = granted(&answer, &request)?;
    tracing::info!(
        source = transport.source,
        method = login.method.name(),
        ttl_s = lease.ttl.as_secs(),
        "logged in at the Vault"
    );
    Ok((token, lease))
}

/// The request, with what is in the files now. What vaultrs's descriptions held of it is wiped.
async fn describe(transport: &Transport, login: &Login) -> Result<Request, VaultError> {
    let mount = login.mount.clone();
    match &login.method {
        LoginMethod::AppRole { role_id_file, secret_id_file } => {
            let (role_id, secret_id) = (text(role_id_file).await?, text(secret_id_file).await?);
            let mut description = LoginWithApproleRequest { mount, role_id, secret_id };
            let request = Request::of(Operation::Login, &description);
            description.secret_id.zeroize();
            request
        }
        // Both take the same: `auth/MOUNT/login` with `role` and `jwt`.
        LoginMethod::Kubernetes { role, token } | LoginMethod::Jwt { role, token } => {
            let jwt = match token {
                ShownToken::File(file) => text(file).await?,
                ShownToken::Held(held) => held.text().to_string(),
            };
            let mut description = LoginWithKubernetesRequest { mount, role: role.clone(), jwt };
            let request = Request::of(Operation::Login, &description);
            description.jwt.zeroize();
            request
        }
        LoginMethod::Certificate { role, certificate_file, key_file } => {
            transport.present(certificate_file, key_file).await?;
            let cert_name = role.clone().unwrap_or_default();
            Request::of(Operation::Login, &LoginRequest { mount, cert_name })
        }
    }
}

/// How an attempt to renew ended.
pub(crate) enum Renewal {
    Renewed(Lease),
    /// The server does not know the token, or will not renew it.
    Refused,
    /// Nothing is known: the token is as good as it was.
    Failed,
}

/// Renews the token that asks.
pub(crate) async fn renew(transport: &Transport, token: &Token, deadline: Instant) -> Renewal {
    let Ok(request) = Request::of(Operation::Renew, &RenewTokenSelfRequest { increment: None }) else {
        return Renewal::Failed;
    };
    match transport.send(&request, Some(token), deadline).await {
        Ok(answer) if answer.is_success() => {
            granted(&answer, &request).map_or(Renewal::Failed, |(_, lease)| Renewal::Renewed(lease))
        }
        Ok(answer) if answer.status.is_client_error() && answer.status.as_u16() != 429 => Renewal::Refused,
        Ok(_) | Err(_) => Renewal::Failed,
    }
}

/// A wrong id or token is a 400; to who is not logged in, a mount that is not there shows as 403 (measured with OpenBao 2.7). The Kubernetes and
/// certificate methods answer 403 also where they refuse, so there nobody can tell.
fn refused(answer: &Answer, request: &Request, login: &Login) -> VaultError {
    let Login { mount, method } = login;
    let (mount, name) = (mount.clone(), method.name());
    let is_ambiguous = matches!(method, LoginMethod::Kubernetes { .. } | LoginMethod::Certificate { .. });
    match answer.failure(request) {
        VaultError::Refused { .. } => {
            VaultError::Unauthenticated(LoginFault::LoginRefused { method: name, mount, advice: method.advice() })
        }
        VaultError::Forbidden { .. } | VaultError::Unauthenticated(_) if is_ambiguous => {
            VaultError::Unauthenticated(LoginFault::LoginRefused { method: name, mount, advice: method.advice() })
        }
        VaultError::Forbidden { .. }
        | VaultError::Unauthenticated(_)
        | VaultError::NoMount { .. }
        | VaultError::NotFound { .. } => VaultError::Unauthenticated(LoginFault::NoMount { method: name, mount }),
        other => other,
    }
}

/// The part of an answer to a login or renewal that we use.
#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    auth: Auth<'a>,
}

#[derive(Deserialize)]
struct Auth<'a> {
    /// Borrowed from the body, which is wiped. Tokens have no characters that JSON escapes.
    client_token: &'a str,
    lease_duration: u64,
    renewable: bool,
}

fn granted(answer: &Answer, request: &Request) -> Result<(Token, Lease), VaultError> {
    let Granted { auth } = answer.parse(request)?;
    let token = Token::new(Zeroizing::new(auth.client_token.as_bytes().to_vec()))
        .ok_or_else(|| VaultError::Protocol { what: request.what(), why: "the token is not one" })?;
    let ttl = Duration::from_secs(auth.lease_duration);
    let now = Instant::now();
    Ok((token, Lease { login: now, obtained: now, ttl, full_ttl: ttl, renewable: auth.renewable, tried: None }))
}

/// A credential as vaultrs's description takes it.
async fn text(file: &Path) -> Result<String, VaultError> {
    let bytes = credential_file::read(file).await?;
    String::from_utf8(bytes.to_vec()).map_err(|_| VaultError::Unauthenticated(LoginFault::Content { file: file.to_owned() }))
}
