//! Joining: a one-time token and a public key become a certificate. A listener of its own, because whoever joins has none yet.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use lockstep_core::cluster::ClusterState;
use lockstep_core::digest::RootKey;
use lockstep_core::id::{ClusterId, InstanceId};
use lockstep_core::spiffe::AgentIdentity;
use lockstep_proto::v1::{ChallengeRequest, ChallengeResponse, JoinRequest, JoinResponse, RenewRequest, join_server};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::join_token::{self, Claim, Refusal, Shown};
use lockstep_store::{StoreError, agent_certificate, cluster, placement, pool};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::App;
use crate::attempts::{Attempts, Hit};
use crate::authority::request_key_hash;
use crate::gateway::listener::{self, Bounds, ConnectionInfo};
use crate::oidc::service_account::is_jwt;
use crate::tls::Tls;
use crate::token::hash;
use crate::{actor, clock};

mod nonce;
mod renewal;
mod service_account;

/// Joins under way on this replica; more are told to come again.
const UNDER_WAY_MAX: usize = 16;
/// A join or renewal is a few kilobytes.
const MESSAGE_MAX_BYTES: usize = 64 << 10;
/// Anybody may connect; an agent calls at once, and hangs up.
const BOUNDS: Bounds = Bounds { handshakes: 64, open: 256, silence: Duration::from_secs(20) };
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// Serves joining agents until told to stop.
pub async fn serve(
    app: App,
    digests: Arc<RootKey>,
    listener: TcpListener,
    tls: Arc<Tls>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let incoming = listener::incoming(listener, move || tls.join(), BOUNDS, app.metrics.clone());
    let agents = &app.config.agents;
    let refused = Attempts::new(agents.join_refusals_per_minute, agents.join_refusals_per_minute_overall, Instant::now());
    let service = Service { app, digests, under_way: Semaphore::new(UNDER_WAY_MAX), refused };
    let service = join_server::JoinServer::new(service).max_decoding_message_size(MESSAGE_MAX_BYTES);
    Server::builder()
        .timeout(CALL_LIMIT)
        .max_concurrent_streams(4)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await })
        .await?;
    Ok(())
}

struct Service {
    app: App,
    digests: Arc<RootKey>,
    under_way: Semaphore,
    refused: Attempts,
}

#[tonic::async_trait]
impl join_server::Join for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let (address, _permit) = (self.listen_to(&request)?, self.permit()?);
        let outcome = self.join_with_token(&request.into_inner()).await;
        self.count(&outcome, "joined", address);
        outcome.map(Response::new)
    }

    async fn challenge(&self, request: Request<ChallengeRequest>) -> Result<Response<ChallengeResponse>, Status> {
        let (_, _permit) = (self.listen_to(&request)?, self.permit()?);
        let nonce = nonce::make(&self.digests, &request.into_inner().certificate_der, clock::now());
        Ok(Response::new(ChallengeResponse { nonce: nonce.ok_or_else(|| Status::unavailable("no random bytes"))? }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<JoinResponse>, Status> {
        let (address, _permit) = (self.listen_to(&request)?, self.permit()?);
        let outcome = renewal::renew(self, &request.into_inner()).await;
        self.count(&outcome, "renewed_expired", address);
        outcome.map(Response::new)
    }
}

/// What joining a cluster gives.
struct Joined {
    identity: AgentIdentity,
    name: String,
}

impl Service {
    fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Status> {
        self.under_way.try_acquire().map_err(|_| {
            self.app.metrics.limit_hits.with_label_values(&["join"]).inc();
            Status::resource_exhausted("too many agents are joining; try again in a few seconds")
        })
    }

    /// Where the caller is, unless nobody there is listened to for now.
    fn listen_to<T>(&self, request: &Request<T>) -> Result<IpAddr, Status> {
        let connection = request.extensions().get::<ConnectionInfo>();
        let address = connection.and_then(|connection| connection.peer.get_ref().remote_addr());
        let address = address.ok_or_else(|| Status::internal("nothing is known of the connection"))?.ip();
        self.refused.check(address, Instant::now()).map_err(|hit| {
            let limit = match hit {
                Hit::Address => "join_address",
                Hit::Overall => "join_overall",
            };
            self.app.metrics.limit_hits.with_label_values(&[limit]).inc();
            Status::resource_exhausted("too many joins and renewals were refused; try again in a minute")
        })?;
        Ok(address)
    }

    fn count(&self, outcome: &Result<JoinResponse, Status>, good: &str, address: IpAddr) {
        let word = match outcome {
            Ok(_) => good,
            Err(status) if status.code() == tonic::Code::PermissionDenied => {
                self.refused.note(address, Instant::now());
                "refused"
            }
            Err(_) => "failed",
        };
        self.app.metrics.joins.with_label_values(&[word]).inc();
    }

    async fn join_with_token(&self, request: &JoinRequest) -> Result<JoinResponse, Status> {
        let key = request_key_hash(&request.csr_der).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let new_instance = InstanceId::from(Uuid::new_v4());
        let hash = hash(&request.token);
        if is_jwt(&request.token) {
            service_account::vouch(&self.app, request, &hash).await?;
        }
        let shown = Shown { hash: &hash, key: &key, cluster: &request.cluster };
        let joined = match self.claim(&shown, new_instance).await {
            Ok(Ok(joined)) => joined,
            // The caller learns nothing that helps guessing; the operator finds the reason in the history.
            Ok(Err(refusal)) => {
                tracing::warn!(reason = refusal.as_str(), "a join token was refused");
                return Err(Status::permission_denied(
                    "the join token is not valid: it is unknown, expired, revoked, used by another key, or of another cluster. \
                     Make a new one: lockstep cluster token NAME; or wait until the kubelet has exchanged the service account's",
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "a join could not be decided");
                return Err(Status::unavailable("the registry does not answer"));
            }
        };
        self.sign(&joined.identity, &joined.name, &request.csr_der, key).await
    }

    /// Claims the token and records it in one transaction; signing follows outside, because no lock waits for Vault. Whoever gets no
    /// certificate then tries again with the same key.
    ///
    /// Looks first, without the lock that all changes wait for: anybody may ask, as often as he likes.
    async fn claim(&self, shown: &Shown<'_>, new_instance: InstanceId) -> Result<Result<Joined, Refusal>, StoreError> {
        let mut connection = pool::acquire(&self.app.pool).await?;
        match join_token::look(&mut connection, shown, new_instance).await? {
            Claim::Granted { cluster, instance, first: false } => {
                let name = cluster::by_id(&mut connection, cluster).await?.name;
                return Ok(Ok(self.joined(cluster, instance, name)));
            }
            // Nothing is recorded of tokens that never were, and of others each reason once.
            Claim::Refused { is_news: false, reason, .. } => return Ok(Err(reason)),
            Claim::Granted { first: true, .. } | Claim::Refused { is_news: true, .. } => drop(connection),
        }
        let mut writing = Writing::begin(&self.app.pool).await?;
        let claim = join_token::claim(writing.connection(), shown, new_instance).await?;
        let (id, instance, first) = match claim {
            Claim::Granted { cluster, instance, first } => (cluster, instance, first),
            Claim::Refused { cluster: Some(id), reason, is_news: true } => {
                self.record_refusal(writing, id, reason).await?;
                return Ok(Err(reason));
            }
            Claim::Refused { reason, .. } => {
                writing.abandon().await?;
                return Ok(Err(reason));
            }
        };
        let registered = cluster::by_id(writing.connection(), id).await?;
        let joined = self.joined(id, instance, registered.name);
        if !first {
            writing.abandon().await?;
            return Ok(Ok(joined));
        }
        let seq = writing.seq;
        cluster::set_instance(writing.connection(), id, instance).await?;
        if registered.spec.state == ClusterState::Pending {
            cluster::set_state(writing.connection(), id, ClusterState::Active, seq).await?;
            placement::replan_cluster(writing.connection(), id, seq).await?;
        }
        let entry = Entry {
            actor: actor::agent(id),
            kind: "ClusterJoined",
            subject: format!("cluster/{}", joined.name),
            detail: json!({ "instance": instance.to_string(), "publicKey": hex::encode(shown.key) }),
        };
        writing.commit(&entry).await?;
        tracing::info!(cluster = %joined.name, %instance, "an agent joined");
        Ok(Ok(joined))
    }

    fn joined(&self, cluster: ClusterId, instance: InstanceId, name: String) -> Joined {
        let trust_domain = self.app.authority.trust_domain().clone();
        Joined { identity: AgentIdentity { trust_domain, cluster, instance }, name }
    }

    async fn record_refusal(&self, mut writing: Writing, id: ClusterId, reason: Refusal) -> Result<(), StoreError> {
        let name = cluster::by_id(writing.connection(), id).await?.name;
        let entry = Entry {
            actor: actor::server(&self.app.config.replica),
            kind: "JoinRefused",
            subject: format!("cluster/{name}"),
            detail: json!({ "reason": reason.as_str() }),
        };
        writing.commit(&entry).await?;
        Ok(())
    }

    /// Signs and records a certificate.
    async fn sign(&self, identity: &AgentIdentity, name: &str, csr_der: &[u8], key: Vec<u8>) -> Result<JoinResponse, Status> {
        let sign = async {
            let signed = self.app.authority.sign_agent(identity, csr_der).await?;
            let leaf = signed.chain_der.first().ok_or_else(|| anyhow!("Vault signed nothing"))?;
            anyhow::ensure!(crate::authority::certificate_key_hash(leaf)? == key, "Vault signed another key");
            let recorded = agent_certificate::Recorded { public_key: key, not_after: signed.not_after };
            let mut connection = pool::acquire(&self.app.pool).await?;
            let may_have_it =
                agent_certificate::record(&mut connection, identity.cluster, identity.instance, &signed.serial, &recorded)
                    .await?;
            anyhow::Ok(may_have_it.then_some(signed))
        };
        let signed = sign.await.map_err(|error| {
            tracing::warn!(error = %format!("{error:#}"), cluster = name, "an agent's certificate could not be signed");
            Status::unavailable("the certificate cannot be signed now; try again, the token stays yours")
        })?;
        let signed = signed.ok_or_else(|| {
            Status::permission_denied(
                "the cluster was revoked, or another agent installation has joined it since: ask for a new token",
            )
        })?;
        Ok(JoinResponse {
            chain_der: signed.chain_der,
            roots_der: self.app.authority.trust().ders(),
            cluster: identity.cluster.uuid().as_bytes().to_vec(),
            cluster_name: name.to_owned(),
        })
    }
}
