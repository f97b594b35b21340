//! Joining without a join token: a token of the agent's service account, signed by the cluster whose keys are registered.

use lockstep_proto::v1::JoinRequest;
use lockstep_store::{StoreError, cluster, join_token, pool};
use tonic::Status;

use crate::app::App;
use crate::clock;
use crate::oidc::service_account::verify;

/// What every such caller is told who is refused; the reason is in the log, since it would help whoever tries.
const REFUSED: &str = "this service account token does not let an agent join: name the cluster with --cluster, and register its service account issuer \
    (spec.serviceAccountIssuer: issuer, subject, audience, jwks). The server's log says what does not fit";

/// Finds the token good, or refuses. A good one is used like a join token from then on: once, by one key, which may try again.
///
/// The message's cluster only says by whose keys to check: a token that another cluster signed is not good by them.
pub(super) async fn vouch(app: &App, request: &JoinRequest, hash: &[u8]) -> Result<(), Status> {
    let unavailable = |error: StoreError| {
        tracing::warn!(%error, "a join could not be decided");
        Status::unavailable("the registry does not answer")
    };
    let refused = |reason: &dyn std::fmt::Display| {
        tracing::warn!(cluster = request.cluster, %reason, "a service account token was refused");
        Status::permission_denied(REFUSED)
    };
    let mut connection = pool::acquire(&app.pool).await.map_err(unavailable)?;
    let registered = match cluster::get(&mut connection, &request.cluster).await {
        Ok(registered) => registered,
        Err(StoreError::NotFound { .. }) => return Err(refused(&"there is no such cluster")),
        Err(error) => return Err(unavailable(error)),
    };
    let Some(issuer) = registered.spec.service_account_issuer else {
        return Err(refused(&"no service account issuer is registered with the cluster"));
    };
    let expires_at = verify(&request.token, &issuer, clock::now()).map_err(|reason| refused(&reason))?;
    join_token::ensure(&mut connection, registered.id.into(), hash, expires_at).await.map_err(unavailable)
}
