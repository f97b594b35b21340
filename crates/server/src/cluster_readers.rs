//! Reading at a source as the cluster that gets what is read: with tokens of its agent's service account, which stay in memory.
//!
//! A cluster has one login at a source for each life of the token that the login gives, however many secrets are read and however often its agent
//! comes back to this replica.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::id::ClusterId;
use lockstep_core::name::SourceName;
use lockstep_core::source::{ClusterLogin, Method, SourceSpec};
use lockstep_vault::{HeldToken, Login, LoginFault, LoginMethod, ShownToken, Vault, VaultError};
use moka::future::Cache;
use thiserror::Error;
use tokio::time::Instant;

use crate::oidc::audiences;
use crate::sources::Sources;

/// The most tokens of one agent: one for each audience.
const TOKENS_MAX: usize = 8;
/// The largest token, in bytes. Kubernetes' have about 1 KiB.
const TOKEN_MAX_BYTES: usize = 16 << 10;
/// The most clusters whose logins are kept.
const CLUSTERS_MAX: u64 = 20_000;
/// How long a login is kept after its last use. The kubelet's tokens live an hour if nothing else is asked for.
const IDLE: Duration = Duration::from_hours(1);

/// Who reads for a delivery, where the source asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The cluster that gets what is read.
    pub cluster: ClusterId,
    /// Its name.
    pub name: &'a str,
}

/// Why a cluster could not read.
#[derive(Debug, Clone, Error)]
pub enum ReaderError {
    /// Its agent has shown no token for the source.
    #[error(
        "the agent of cluster {cluster} has shown no token of the one audience {audience:?}, which it needs to log in at source {source_name}: set \
         identityTokenAudiences in its chart, or give it --identity-token-file"
    )]
    NoToken {
        /// The cluster's name.
        cluster: String,
        /// For whom the token would have to be.
        audience: String,
        /// The source's name.
        source_name: SourceName,
    },
    /// The Vault does not let it in.
    #[error("denied by Vault: cluster {cluster} cannot log in: {fault}")]
    LoginRefused {
        /// The cluster's name.
        cluster: String,
        /// What the Vault said.
        fault: LoginFault,
    },
    /// The Vault's policy does not let it read this.
    #[error(
        "denied by Vault: cluster {cluster}, as role {role} of auth/{mount}, may not read {path}: allow it in a policy of that role, or correct the \
         binding"
    )]
    Forbidden {
        /// The cluster's name.
        cluster: String,
        /// The role it logged in to.
        role: String,
        /// Where.
        mount: String,
        /// The secret, as a policy names it.
        path: String,
    },
    /// Anything else, which is nothing of the cluster's.
    #[error("{0}")]
    Vault(VaultError),
}

impl ReaderError {
    /// The policy does not let the reader read `path`.
    pub fn forbidden(reader: Reader<'_>, login: &ClusterLogin, path: &str) -> Self {
        Self::Forbidden {
            cluster: reader.name.to_owned(),
            role: login.role.of(reader.name),
            mount: login.mount.of(reader.name),
            path: path.to_owned(),
        }
    }

    /// Whether the Vault has decided, so that nothing but a person changes it.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::LoginRefused { .. } | Self::Forbidden { .. })
    }
}

/// What this replica has of clusters that read for themselves.
pub struct ClusterReaders(Cache<ClusterId, Arc<Identity>>);

/// One cluster's.
#[derive(Default)]
struct Identity {
    /// By their audience.
    tokens: Mutex<BTreeMap<String, HeldToken>>,
    clients: Mutex<BTreeMap<SourceName, (SourceSpec, Vault)>>,
}

impl Default for ClusterReaders {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(CLUSTERS_MAX).time_to_idle(IDLE).build())
    }
}

impl ClusterReaders {
    /// Takes what the cluster's agent shows; of an audience that it showed before, the newer token takes the place of the older. Answers how many are
    /// of no use: too many, too large, or not of one audience.
    pub async fn take(&self, cluster: ClusterId, tokens: &[String]) -> usize {
        if tokens.is_empty() {
            return 0;
        }
        let identity = self.0.get_with(cluster, async { Arc::default() }).await;
        let mut held = locked(&identity.tokens);
        let mut useless = tokens.len().saturating_sub(TOKENS_MAX);
        for token in tokens.iter().take(TOKENS_MAX) {
            // One of several audiences could be used where this source's Vault does not know of.
            match audiences(token).as_deref() {
                Some([audience])
                    if token.len() <= TOKEN_MAX_BYTES && (held.contains_key(audience) || held.len() < TOKENS_MAX) =>
                {
                    held.entry(audience.clone()).or_default().replace(token);
                }
                _ => useless += 1,
            }
        }
        useless
    }

    /// Its agent is not believed any more.
    pub async fn forget(&self, cluster: ClusterId) {
        self.0.invalidate(&cluster).await;
    }

    /// The sources at which this cluster read for itself, if any.
    pub async fn is_used(&self, cluster: ClusterId) -> bool {
        match self.0.get(&cluster).await {
            Some(identity) => !locked(&identity.clients).is_empty(),
            None => false,
        }
    }

    /// The client that logs in as the cluster, at a source that is specified like this.
    pub async fn client(
        &self,
        sources: &Sources,
        reader: Reader<'_>,
        name: &SourceName,
        spec: &SourceSpec,
        login: &ClusterLogin,
    ) -> Result<Vault, ReaderError> {
        let identity = self.0.get_with(reader.cluster, async { Arc::default() }).await;
        let known = locked(&identity.clients).get(name).filter(|(known, _)| known == spec).map(|(_, client)| client.clone());
        if let Some(client) = known {
            return Ok(client);
        }
        let token = locked(&identity.tokens).get(login.audience.as_str()).cloned().ok_or_else(|| ReaderError::NoToken {
            cluster: reader.name.to_owned(),
            audience: login.audience.to_string(),
            source_name: name.clone(),
        })?;
        let server = sources.client(name, spec).await.map_err(ReaderError::Vault)?;
        let (role, token) = (login.role.of(reader.name), ShownToken::Held(token));
        let method = match login.method {
            Method::Kubernetes => LoginMethod::Kubernetes { role, token },
            Method::Jwt => LoginMethod::Jwt { role, token },
        };
        let client = server.logging_in(Login { mount: login.mount.of(reader.name), method });
        // Of two that made one at once, the second takes the first's: one login.
        let mut clients = locked(&identity.clients);
        if let Some((_, client)) = clients.get(name).filter(|(known, _)| known == spec) {
            return Ok(client.clone());
        }
        clients.insert(name.clone(), (spec.clone(), client.clone()));
        Ok(client)
    }

    /// When the first of the cluster's logins is replaced.
    pub async fn next_login(&self, cluster: ClusterId) -> Option<Instant> {
        let identity = self.0.get(&cluster).await?;
        let clients: Vec<Vault> = locked(&identity.clients).values().map(|(_, client)| client.clone()).collect();
        let mut next = None;
        for client in clients {
            next = client.next_login().await.into_iter().chain(next).min();
        }
        next
    }
}

/// What the Vault said to a cluster, in words that tell what to do there.
pub fn told(reader: Reader<'_>, login: &ClusterLogin, path: &str, error: VaultError) -> ReaderError {
    match error {
        VaultError::Forbidden { .. } => ReaderError::forbidden(reader, login, path),
        VaultError::Unauthenticated(fault @ (LoginFault::LoginRefused { .. } | LoginFault::NoMount { .. })) => {
            ReaderError::LoginRefused { cluster: reader.name.to_owned(), fault }
        }
        other => ReaderError::Vault(other),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn token(audience: &Value, id: u32) -> String {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", encode(json!({"alg": "RS256"})), encode(json!({"aud": audience, "jti": id.to_string()})))
    }

    #[tokio::test]
    async fn tokens_are_kept_by_their_one_audience_and_the_newest_counts() {
        let (readers, cluster) = (ClusterReaders::default(), uuid::Uuid::from_u128(1).into());
        let good = [token(&json!(["vault"]), 1), token(&json!("other"), 1)];
        assert_eq!(readers.take(cluster, &good).await, 0);
        let useless = [token(&json!(["a", "b"]), 1), token(&json!([]), 1), "no.token.".to_owned(), token(&Value::Null, 1)];
        assert_eq!(readers.take(cluster, &useless).await, 4);
        assert_eq!(readers.take(cluster, &[token(&json!(["vault"]), 2)]).await, 0);
        let identity = readers.0.get(&cluster).await.unwrap();
        assert_eq!(locked(&identity.tokens).keys().collect::<Vec<_>>(), ["other", "vault"]);
        let many: Vec<String> = (0..20).map(|n| token(&json!([format!("a{n}")]), 1)).collect();
        assert_eq!(readers.take(cluster, &many).await, 14, "two are there, six more may be");
        readers.forget(cluster).await;
        assert!(readers.0.get(&cluster).await.is_none() && !readers.is_used(cluster).await);
    }
}
