//! AppRole: logging in, and renewing what that gave.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::token::requests::RenewTokenSelfRequest;
use zeroize::{Zeroize as _, Zeroizing};

use crate::answer::Answer;
use crate::credential_file;
use crate::error::{LoginFault, VaultError};
use crate::lease::Lease;
use crate::request::{Operation, Request};
use crate::token::Token;
use crate::transport::Transport;

/// Logs in with the ids in these files.
pub(crate) async fn login(
    transport: &Transport,
    mount: &str,
    (role_id_file, secret_id_file): (&Path, &Path),
    deadline: Instant,
) -> Result<(Token, Lease), VaultError> {
    let mut description = LoginWithApproleRequest {
        mount: mount.to_owned(),
        role_id: text(role_id_file).await?,
        secret_id: text(secret_id_file).await?,
    };
    let request = Request::of(Operation::Login, &description);
    description.secret_id.zeroize();
    let request = request?;
    let answer = transport.send(&request, None, deadline).await?;
    if !answer.is_success() {
        return Err(refused(&answer, &request, mount));
    }
    let (token, lease) = granted(&answer, &request)?;
    tracing::info!(source = transport.source, ttl_s = lease.ttl.as_secs(), "logged in at the Vault");
    Ok((token, lease))
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

/// A wrong id is a 400; to who is not logged in, a mount that is not there shows as 403 (measured with OpenBao 2.7).
fn refused(answer: &Answer, request: &Request, mount: &str) -> VaultError {
    match answer.failure(request) {
        VaultError::Refused { .. } => VaultError::Unauthenticated(LoginFault::LoginRefused),
        VaultError::Forbidden { .. }
        | VaultError::Unauthenticated(_)
        | VaultError::NoMount { .. }
        | VaultError::NotFound { .. } => VaultError::Unauthenticated(LoginFault::NoMount { mount: mount.to_owned() }),
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

/// An id as vaultrs's description takes it.
async fn text(file: &Path) -> Result<String, VaultError> {
    let bytes = credential_file::read(file).await?;
    String::from_utf8(bytes.to_vec()).map_err(|_| VaultError::Unauthenticated(LoginFault::Content { file: file.to_owned() }))
}
