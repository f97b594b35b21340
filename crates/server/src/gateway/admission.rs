//! Admitting an agent: its cluster's state, its installation, its lease term, and whether its history is ours.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lockstep_core::cluster::{Admittance, Life};
use lockstep_core::history::{Mark, Standing, standing};
use lockstep_core::id::{BindingId, ClusterId, InstanceId, SessionId};
use lockstep_core::plan::Reported;
use lockstep_core::spiffe::AgentIdentity;
use lockstep_proto::{REFUSAL, REVOKED, convert, v1};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{PgPool, StoreError, change, cluster, pool, registry, session};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use tonic::Status;
use tonic::metadata::MetadataValue;
use uuid::Uuid;

use crate::actor;
use crate::app::App;
use crate::gateway::Gateway;
use crate::gateway::listener::Cut;
use crate::gateway::session::Trusts;
use crate::gateway::sessions::{Inbox, Stream};
use crate::gateway::sinks::Sinks;

/// The longest version that is kept.
const VERSION_MAX_CHARS: usize = 64;

/// Who is at the other end, from the certificate.
pub(super) struct Peer {
    pub(super) identity: AgentIdentity,
    pub(super) not_after: DateTime<Utc>,
    /// What it showed, its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Ends its connection.
    pub(super) cut: Cut,
}

/// An admitted agent.
pub(super) struct Admitted {
    pub(super) session: SessionId,
    pub(super) identity: AgentIdentity,
    pub(super) name: String,
    pub(super) reported: BTreeMap<BindingId, Reported>,
    pub(super) registry: registry::Registry,
    pub(super) held: Option<String>,
    /// The root of its certificate, and those it says it trusts.
    pub(super) trusts: Trusts,
    /// Where it can put what it is sent.
    pub(super) sinks: Sinks,
    pub(super) inbox: Inbox,
    /// Ends its connection.
    pub(super) cut: Cut,
    /// Whether it is let in only to remove what was delivered.
    pub(super) purges: bool,
}

/// What an operator reads where a history was cut.
const HISTORY_CUT: &str = "history cut: changes were seen here that the registry does not have, as after a restore from an older \
                               backup. Nothing is sent or deleted. Check the registry, then run: lockstep epoch open --reason ...";

const OTHER_INSTALLATION: &str = "another agent installation has joined this cluster since";
const TO_BE_JOINED_ANEW: &str = "this cluster is to be joined anew: the certificates of the agent before are refused";

/// Decides, records the session, and enters it on this replica.
///
/// Here is where a revoked cluster is refused, not in the TLS handshake: the registry is asked, so that every replica says the same from the
/// commit on, and a purge needs one that is let in (ADR 0024).
pub(super) async fn admit(gateway: &Gateway, peer: &Peer, hello: v1::Hello) -> Result<Admitted, Status> {
    let app = &gateway.app;
    let id = peer.identity.cluster;
    let unavailable = |error: StoreError| {
        tracing::warn!(%error, cluster = %id, "an agent could not be admitted");
        Status::unavailable("the registry does not answer")
    };
    if gateway.sessions.count() >= app.config.agents.streams {
        app.metrics.limit_hits.with_label_values(&["streams"]).inc();
        return Err(Status::resource_exhausted("this replica serves as many agents as it may; dial another"));
    }
    let reported = hello
        .inventory
        .into_iter()
        .map(convert::held)
        .collect::<Result<BTreeMap<_, _>, _>>()
        .map_err(|e| Status::invalid_argument(format!("inventory: {e}")))?;
    let floor = hello.floor.map(Mark::try_from).transpose().map_err(|e| Status::invalid_argument(format!("floor: {e}")))?;

    let mut connection = pool::acquire(&app.pool).await.map_err(unavailable)?;
    let registered = match cluster::by_id(&mut connection, id).await {
        Ok(registered) => registered,
        Err(StoreError::NotFound { .. }) => {
            return Err(Status::permission_denied("this cluster is not registered; what it holds stays"));
        }
        Err(error) => return Err(unavailable(error)),
    };
    let purges = purges(&registered.spec.life(), peer.identity.instance)?;
    let mut held = registered.spec.held.clone();
    if held.is_none()
        && let Some(floor) = floor
    {
        held = check_history(&app.pool, &app.config.replica, id, &registered.name, &floor).await.map_err(unavailable)?;
    }
    let registry = registry::get(&mut connection).await.map_err(unavailable)?;
    let held = registry.held.clone().or(held);
    if let (true, Some(why)) = (purges, &held) {
        // A registry that lost its history may have asked for this long ago.
        return Err(Status::failed_precondition(format!("nothing is removed while the cluster is held: {why}")));
    }
    let session = session::Session {
        id: Uuid::new_v4().into(),
        cluster: id,
        instance: peer.identity.instance,
        replica: app.config.replica.clone(),
        lease_term: hello.lease_term,
        agent_version: kept_version(&hello.version),
        certificate_not_after: peer.not_after,
    };
    if !session::open(&mut connection, &session).await.map_err(unavailable)? {
        return Err(Status::failed_precondition("a stream with a higher lease term is this cluster's"));
    }
    if !purges {
        show(app, id, &hello.identity_tokens.unwrap_or_default().tokens).await;
    }
    let what = Stream { instance: peer.identity.instance, purges };
    let inbox = gateway.sessions.enter(id, session.id, what);
    Ok(Admitted {
        session: session.id,
        identity: peer.identity.clone(),
        name: registered.name,
        reported,
        held,
        trusts: Trusts { root: app.authority.root_of(&peer.chain), roots: hello.roots },
        sinks: Sinks::named(&hello.sinks),
        registry,
        inbox,
        cut: peer.cut.clone(),
        purges,
    })
}

/// Takes the tokens with which the cluster reads for itself.
pub(super) async fn show(app: &App, cluster: ClusterId, tokens: &[String]) {
    let useless = app.readers.take(cluster, tokens).await;
    if useless > 0 {
        tracing::warn!(%cluster, useless, "an agent shows tokens that are of no use: each is to be of one audience");
        app.metrics.limit_hits.with_label_values(&["identity_tokens"]).inc();
    }
}

/// What is kept of what an agent says of its version. Postgres takes no text with U+0000, and an agent would be kept out with the registry to blame.
fn kept_version(said: &str) -> String {
    said.chars().filter(|c| *c != '\0').take(VERSION_MAX_CHARS).collect()
}

/// Whether the agent is let in only to remove what was delivered, or why it is not let in at all.
fn purges(life: &Life, instance: InstanceId) -> Result<bool, Status> {
    let refused = match life.admittance(instance) {
        Admittance::Full => return Ok(false),
        Admittance::Purging => return Ok(true),
        Admittance::Revoked => return Err(revoked()),
        Admittance::Replaced if life.instance.is_none() => TO_BE_JOINED_ANEW,
        Admittance::Replaced => OTHER_INSTALLATION,
    };
    Err(Status::permission_denied(refused))
}

fn revoked() -> Status {
    let mut status = Status::permission_denied("this cluster is revoked");
    status.metadata_mut().insert(REFUSAL, MetadataValue::from_static(REVOKED));
    status
}

/// Holds the cluster if it has seen a history that the registry does not have.
async fn check_history(
    pool: &PgPool,
    replica: &str,
    id: ClusterId,
    name: &str,
    floor: &Mark,
) -> Result<Option<String>, StoreError> {
    let mut connection = pool::acquire(pool).await?;
    let head = registry::get(&mut connection).await?.head;
    let ours = change::hash_at(&mut connection, floor.seq).await?;
    drop(connection);
    if standing(floor, head.epoch, ours) == Standing::Known {
        return Ok(None);
    }
    hold(pool, replica, id, name).await.map(Some)
}

/// Holds one cluster and records it, once.
pub(super) async fn hold(pool: &PgPool, replica: &str, id: ClusterId, name: &str) -> Result<String, StoreError> {
    let mut writing = Writing::begin(pool).await?;
    if cluster::by_id(writing.connection(), id).await?.spec.held.is_some() {
        writing.abandon().await?;
        return Ok(HISTORY_CUT.to_owned());
    }
    cluster::hold(writing.connection(), id, HISTORY_CUT).await?;
    let entry = Entry {
        actor: actor::server(replica),
        kind: "ClusterHeld",
        subject: format!("cluster/{name}"),
        detail: json!({ "reason": HISTORY_CUT }),
    };
    writing.commit(&entry).await?;
    tracing::error!(cluster = name, reason = HISTORY_CUT, "a cluster is held");
    Ok(HISTORY_CUT.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_agent_says_of_its_version_can_be_kept() {
        assert_eq!(kept_version("1.2\0.3"), "1.2.3");
        assert_eq!(kept_version(&"ü\0".repeat(500)), "ü".repeat(VERSION_MAX_CHARS));
    }
}
