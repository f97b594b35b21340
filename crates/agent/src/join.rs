//! Getting certificates on the join listener: the first one with a token, and a new one when the old has expired.

use std::time::Duration;

use lockstep_proto::convert::cluster_id;
use lockstep_proto::v1::join_client::JoinClient;
use lockstep_proto::v1::{ChallengeRequest, JoinRequest, JoinResponse, RenewRequest};
use lockstep_proto::{MESSAGE_MAX_BYTES, RENEW_CONTEXT};
use thiserror::Error;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use zeroize::Zeroizing;

use crate::address::ServerAddress;
use crate::connect::{ConnectError, connect};
use crate::key::AgentKey;
use crate::state::identity::{Identity, IssueError, Issued, adopt, next_key};
use crate::state::{State, StateError};
use crate::tls::pin::Pin;
use crate::tls::{self, Trust};

/// How long one call may take.
pub(crate) const JOIN_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no certificate.
#[derive(Debug, Error)]
pub(crate) enum JoinError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server answered with an error.
    #[error("{address} answered: {}", status.message())]
    Refused {
        /// Which server.
        address: ServerAddress,
        /// What it said.
        status: Box<Status>,
    },
    /// The server's answer is of no use.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A request cannot be made.
    #[error("cannot make a certificate request: {0}")]
    Request(#[from] rcgen::Error),
}

impl JoinError {
    /// Whether another attempt, or another server, can turn out better without a person doing something.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(error, ConnectError::Pin(_) | ConnectError::Settings(_)),
            Self::Refused { status, .. } => matches!(
                status.code(),
                Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::NotFound
                    | Code::InvalidArgument
                    | Code::FailedPrecondition
                    | Code::AlreadyExists
            ),
            Self::Issue(_) | Self::State(_) | Self::Request(_) => true,
        }
    }
}

/// Trades the token for the first certificate, in the cluster of this name, if it is not empty. The key is stored before it is sent, and used again should the answer be lost.
pub(crate) async fn join(
    state: &State,
    address: &ServerAddress,
    pin: Pin,
    token: &Zeroizing<String>,
    cluster: &str,
) -> Result<Identity, JoinError> {
    let mut client = client(address, Trust::Pin(pin)).await?;
    let key = next_key(state, None).await?;
    let request = JoinRequest { token: token.to_string(), csr_der: key.certificate_request()?, cluster: cluster.to_owned() };
    let answer = client.join(limited(request)).await.map_err(refused(address))?;
    take(state, key, answer.into_inner()).await
}

/// Renews an expired certificate: signs the server's nonce with the key that the server has on record.
pub(crate) async fn renew_expired(state: &State, address: &ServerAddress, expired: &Identity) -> Result<Identity, JoinError> {
    let mut client = client(address, Trust::Roots(&expired.roots)).await?;
    let certificate_der = expired.chain.first().map(|der| der.to_vec()).unwrap_or_default();
    let challenge = limited(ChallengeRequest { certificate_der: certificate_der.clone() });
    let nonce = client.challenge(challenge).await.map_err(refused(address))?.into_inner().nonce;
    let key = AgentKey::from_pem(&expired.key.to_pem())?;
    let signature = key.sign(&[RENEW_CONTEXT, &nonce].concat())?;
    let request = RenewRequest { certificate_der, csr_der: key.certificate_request()?, nonce, signature };
    let answer = client.renew(limited(request)).await.map_err(refused(address))?;
    take(state, key, answer.into_inner()).await
}

async fn client(address: &ServerAddress, trust: Trust<'_>) -> Result<JoinClient<Channel>, JoinError> {
    let config = tls::for_join(trust).map_err(ConnectError::from)?;
    let channel = connect(address, config).await?;
    Ok(JoinClient::new(channel).max_decoding_message_size(MESSAGE_MAX_BYTES).max_encoding_message_size(MESSAGE_MAX_BYTES))
}

async fn take(state: &State, key: AgentKey, answer: JoinResponse) -> Result<Identity, JoinError> {
    let cluster = cluster_id(&answer.cluster).map_err(|_| IssueError::Answer("it names no cluster"))?;
    let issued = Issued { chain: answer.chain_der, roots: answer.roots_der, cluster, cluster_name: answer.cluster_name };
    Ok(adopt(state, key, issued).await?)
}

fn limited<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(JOIN_CALL_TIMEOUT);
    request
}

fn refused(address: &ServerAddress) -> impl Fn(Status) -> JoinError {
    move |status| JoinError::Refused { address: address.clone(), status: Box::new(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_and_an_outage_is_not() {
        let address: ServerAddress = "https://a:1".parse().unwrap();
        for (code, want) in [
            (Code::PermissionDenied, true),
            (Code::Unauthenticated, true),
            (Code::FailedPrecondition, true),
            (Code::Unavailable, false),
            (Code::DeadlineExceeded, false),
            (Code::ResourceExhausted, false),
            (Code::Internal, false),
        ] {
            assert_eq!(refused(&address)(Status::new(code, "why")).is_final(), want, "{code:?}");
        }
        assert!(JoinError::from(ConnectError::Pin(address.clone())).is_final());
        assert!(!JoinError::from(ConnectError::Slow(address)).is_final());
    }
}
