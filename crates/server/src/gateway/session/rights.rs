//! Whether the Vault still lets this cluster read what it was delivered, where the cluster reads for itself.
//!
//! What is in step is not read again, so a right that was withdrawn would show with the next version only. Once in the life of a login's token the
//! Vault is asked what the cluster may read; nothing is read for that, and what the cluster has stays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lockstep_core::delivery::Outcome;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::name::SourceName;
use lockstep_core::source::ReadAs;
use lockstep_store::delivery::{self, ReadAsCluster, Report};
use lockstep_store::{StoreError, pool};
use lockstep_vault::{Right, Secret};
use tokio::time::Instant;

use super::{RELOAD_LIMIT, Session};
use crate::app::App;
use crate::cluster_readers::{Reader, ReaderError, told};

/// Between two looks at least, and after one that came to nothing.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// Between two looks at most: a login's token may live for ever.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// What the Vaults said.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Of bindings that may not be read, why.
    denied: BTreeMap<BindingId, String>,
    /// Bindings that may be read, and are on record as denied.
    allowed: BTreeSet<BindingId>,
    /// When they are asked again; `None`: there is nothing that the cluster reads for itself.
    next: Option<Instant>,
}

impl Session {
    /// Asks the Vaults, if it is time for that.
    pub(super) async fn look_at_rights(&mut self) {
        let cluster = self.admitted.identity.cluster;
        if self.rights_at.is_none() && self.gateway.app.readers.is_used(cluster).await {
            self.rights_at = Some(Instant::now() + PAUSE_MIN);
        }
        if self.looking.is_empty() && self.rights_at.is_some_and(|at| at <= Instant::now()) {
            self.rights_at = None;
            let (app, name) = (self.gateway.app.clone(), self.admitted.name.clone());
            self.looking.push(look(app, cluster, name));
        }
    }

    /// Records what is denied now and was not, and has sent again what is allowed again, so that it is confirmed anew.
    pub(super) async fn rights_looked(&mut self, looked: Result<Looked, StoreError>) {
        let Looked { denied, allowed, next } = match looked {
            Ok(looked) => looked,
            Err(error) => {
                tracing::warn!(%error, cluster = %self.admitted.name, "what this cluster reads for itself cannot be looked up; trying again");
                Looked { next: Some(Instant::now() + PAUSE_MIN), ..Looked::default() }
            }
        };
        self.rights_at = next;
        for (id, cause) in denied {
            // What is not there yet, or is on its way, tells by itself.
            if let Some(revision) = self.ledger.revision_held(id) {
                tracing::warn!(cluster = %self.admitted.name, binding = %id, cause, "the Vault does not let this cluster read any more");
                let report = Report { cause: Some(cause), ..self.report(id, revision, Outcome::Denied) };
                self.gateway.reports.report(report).await;
            }
        }
        if !allowed.is_empty() {
            self.ledger.needed(&allowed.into_iter().collect::<Vec<_>>());
            self.reload_at.get_or_insert(Instant::now());
        }
    }
}

fn look(app: App, cluster: ClusterId, name: String) -> BoxFuture<'static, Result<Looked, StoreError>> {
    async move {
        let read = async {
            let mut connection = pool::acquire(&app.pool).await?;
            delivery::read_as_cluster(&mut connection, cluster).await
        };
        let all = pool::within(RELOAD_LIMIT, read).await?;
        if all.is_empty() {
            return Ok(Looked::default());
        }
        let mut by_source: BTreeMap<SourceName, Vec<ReadAsCluster>> = BTreeMap::new();
        for one in all {
            by_source.entry(one.source.clone()).or_default().push(one);
        }
        let reader = Reader { cluster, name: &name };
        let mut looked = Looked::default();
        for (source, reads) in by_source {
            match ask(&app, reader, &source, &reads).await {
                Ok(denied) => looked.judge(&reads, &denied),
                // Nothing is known: as it was.
                Err(error) => tracing::info!(%error, cluster = name, %source, "what this cluster may read is not known"),
            }
        }
        let now = Instant::now();
        let next = app.readers.next_login(cluster).await.unwrap_or(now + PAUSE_MAX);
        looked.next = Some(next.clamp(now + PAUSE_MIN, now + PAUSE_MAX));
        Ok(looked)
    }
    .boxed()
}

/// Which of these the Vault does not let the cluster read, and why. Logging in is part of it.
async fn ask(
    app: &App,
    reader: Reader<'_>,
    source: &SourceName,
    reads: &[ReadAsCluster],
) -> Result<BTreeMap<Secret, String>, ReaderError> {
    let spec = app.sources.spec(&app.pool, source).await;
    let Ok(spec) = spec.inspect_err(|error| tracing::warn!(%error, %source, "a source cannot be looked up")) else {
        return Ok(BTreeMap::new());
    };
    let ReadAs::Cluster(login) = &spec.read_as else { return Ok(BTreeMap::new()) };
    let secrets: BTreeSet<Secret> = reads.iter().map(secret).collect();
    let secrets: Vec<Secret> = secrets.into_iter().collect();
    let client = app.readers.client(&app.sources, reader, source, &spec, login).await?;
    match client.missing_rights(&secrets, &[Right::Read]).await {
        Ok(missing) => {
            let cause = |path: &str| ReaderError::forbidden(reader, login, path).to_string();
            Ok(missing.into_iter().map(|missing| (missing.secret, cause(&missing.path))).collect())
        }
        Err(error) => match told(reader, login, "sys/capabilities-self", error) {
            // Without a login it may read nothing.
            refused @ ReaderError::LoginRefused { .. } => {
                let cause = refused.to_string();
                Ok(secrets.into_iter().map(|secret| (secret, cause.clone())).collect())
            }
            other => Err(other),
        },
    }
}

fn secret(read: &ReadAsCluster) -> Secret {
    Secret { engine: read.engine, mount: read.mount.clone(), path: read.path.clone() }
}

impl Looked {
    /// A binding is denied if one of its secrets is.
    fn judge(&mut self, reads: &[ReadAsCluster], denied: &BTreeMap<Secret, String>) {
        let cause = |read: &ReadAsCluster| denied.get(&secret(read));
        let lacking: BTreeSet<BindingId> = reads.iter().filter(|read| cause(read).is_some()).map(|read| read.binding).collect();
        for read in reads {
            match cause(read) {
                Some(cause) if !read.is_denied => drop(self.denied.entry(read.binding).or_insert_with(|| cause.clone())),
                None if read.is_denied && !lacking.contains(&read.binding) => drop(self.allowed.insert(read.binding)),
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::engine::Engine;
    use uuid::Uuid;

    use super::*;

    fn read(binding: u128, path: &str, is_denied: bool) -> ReadAsCluster {
        ReadAsCluster {
            binding: Uuid::from_u128(binding).into(),
            source: "corp".parse().unwrap(),
            engine: Engine::KvV2,
            mount: "kv".parse().unwrap(),
            path: path.parse().unwrap(),
            is_denied,
        }
    }

    #[test]
    fn a_binding_is_denied_with_one_of_its_secrets_and_allowed_with_all_of_them() {
        let denied: BTreeMap<Secret, String> =
            ["a", "b"].map(|path| (secret(&read(0, path, false)), format!("no {path}"))).into();
        let reads = [
            read(1, "a", false),
            read(1, "x", false),
            read(2, "x", false),
            // On record already.
            read(3, "a", true),
            read(4, "x", true),
            read(5, "x", true),
            read(5, "b", true),
            read(6, "b", true),
            read(6, "x", true),
        ];
        let mut looked = Looked::default();
        looked.judge(&reads, &denied);
        let id = |n: u128| BindingId::from(Uuid::from_u128(n));
        assert_eq!(looked.denied, BTreeMap::from([(id(1), "no a".to_owned())]));
        assert_eq!(looked.allowed, BTreeSet::from([id(4)]));
    }
}
