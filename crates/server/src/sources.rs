//! Vault clients: one for the home Vault, one for each source, made when first needed and again when the source is respecified.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lockstep_core::name::{CredentialsName, SourceName};
use lockstep_core::source::SourceSpec;
use lockstep_store::{PgPool, StoreError, pool, source};
use lockstep_vault::{Credentials, Login, LoginMethod, Settings, ShownToken, Vault, VaultError};
use moka::future::Cache;

use crate::config::{AppRole, CertificateLogin, Config, CredentialSet, TokenLogin};

/// The most sources whose specs are remembered; one that is forgotten is read again.
const SPECS_MAX: u64 = 1_000;

/// A client for each source, as it was specified when it was made.
type Clients = tokio::sync::Mutex<BTreeMap<SourceName, (SourceSpec, Vault)>>;

/// Clients of sources by name.
pub struct Sources {
    config: Arc<Config>,
    metrics: lockstep_vault::Metrics,
    clients: Clients,
    /// Those that rotations write by, where a source names other credentials for that.
    writers: Clients,
    /// Specs that were read since the registry last changed, by how often they were forgotten: what was read before that is not to be remembered
    /// after it. A thousand clusters that want the same one ask the registry once, and share its failure.
    specs: Cache<(u64, SourceName), Arc<SourceSpec>>,
    generation: AtomicU64,
}

impl Sources {
    /// None yet.
    pub fn new(config: Arc<Config>, metrics: lockstep_vault::Metrics) -> Self {
        Self {
            config,
            metrics,
            clients: Clients::default(),
            writers: Clients::default(),
            specs: Cache::new(SPECS_MAX),
            generation: AtomicU64::new(0),
        }
    }

    /// What the clients count into.
    pub fn metrics(&self) -> &lockstep_vault::Metrics {
        &self.metrics
    }

    /// How a source is specified. Asked before each read of material, so it is remembered until [`Sources::forget_specs`].
    pub async fn spec(&self, pool: &PgPool, name: &SourceName) -> Result<Arc<SourceSpec>, Arc<StoreError>> {
        let key = (self.generation.load(Ordering::SeqCst), name.clone());
        let read = async {
            let (_, spec) = source::spec(&mut *pool::acquire(pool).await?, name).await?;
            Ok(Arc::new(spec))
        };
        self.specs.try_get_with(key, read).await
    }

    /// A source may have been respecified: called whenever a commit was heard of that may have done it, and by a timer, since hearing of it
    /// is not certain.
    pub fn forget_specs(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.specs.invalidate_all();
    }

    /// The client of a source that is specified like this.
    pub async fn client(&self, name: &SourceName, spec: &SourceSpec) -> Result<Vault, VaultError> {
        self.of(&self.clients, name, spec, &spec.credentials).await
    }

    /// The one by which rotations write to a source that is specified like this.
    pub async fn writer(&self, name: &SourceName, spec: &SourceSpec) -> Result<Vault, VaultError> {
        match &spec.rotation_credentials {
            Some(credentials) => self.of(&self.writers, name, spec, credentials).await,
            None => self.client(name, spec).await,
        }
    }

    async fn of(
        &self,
        clients: &Clients,
        name: &SourceName,
        spec: &SourceSpec,
        credentials: &CredentialsName,
    ) -> Result<Vault, VaultError> {
        let mut clients = clients.lock().await;
        if let Some((_, client)) = clients.get(name).filter(|(known, _)| known == spec) {
            return Ok(client.clone());
        }
        let set = self.config.credentials(credentials).ok_or_else(|| VaultError::Settings {
            why: format!("the server's configuration has no credential set {credentials}"),
        })?;
        let mut settings = settings(set, &spec.addresses)?;
        settings.timeout = self.config.watch_call_limit();
        settings.namespace.clone_from(&spec.namespace);
        settings.ca_pem.clone_from(&spec.ca);
        let client = Vault::new(settings, self.metrics.clone(), name.as_str())?;
        clients.insert(name.clone(), (spec.clone(), client.clone()));
        Ok(client)
    }
}

/// The home Vault's client.
pub fn home(config: &Config, metrics: lockstep_vault::Metrics) -> anyhow::Result<Vault> {
    let home = &config.home_vault;
    let set = config.credentials(&home.credentials).ok_or_else(|| anyhow::anyhow!("no credential set {}", home.credentials))?;
    let mut settings = settings(set, &home.addresses)?;
    settings.namespace.clone_from(&home.namespace);
    settings.ca_pem = home.ca_file.as_ref().map(std::fs::read_to_string).transpose()?;
    Ok(Vault::new(settings, metrics, "home")?)
}

/// A credential set is sent to the addresses it lists and to no other, whoever wrote the source.
fn settings(set: &CredentialSet, addresses: &[String]) -> Result<Settings, VaultError> {
    if let Some(stray) = addresses.iter().find(|a| !set.addresses.contains(a)) {
        return Err(VaultError::Settings {
            why: format!(
                "credential set {} may not be sent to {stray}: add it to the set's addresses in the configuration",
                set.name
            ),
        });
    }
    let credentials = credentials(set)
        .ok_or_else(|| VaultError::Settings { why: format!("credential set {} names no credential", set.name) })?;
    Ok(Settings::new(addresses.to_vec(), credentials))
}

/// The one that it names.
fn credentials(set: &CredentialSet) -> Option<Credentials> {
    if let Some(file) = &set.token_file {
        return Some(Credentials::TokenFile(file.clone()));
    }
    let login = |mount: &str, method| Credentials::Login(Login { mount: mount.to_owned(), method });
    if let Some(AppRole { mount, role_id_file, secret_id_file }) = &set.app_role {
        let (role_id_file, secret_id_file) = (role_id_file.clone(), secret_id_file.clone());
        return Some(login(mount, LoginMethod::AppRole { role_id_file, secret_id_file }));
    }
    if let Some(TokenLogin { mount, role, token_file }) = &set.kubernetes {
        let (role, token_file) = (role.clone(), token_file.clone());
        return Some(login(
            mount.as_deref().unwrap_or("kubernetes"),
            LoginMethod::Kubernetes { role, token: ShownToken::File(token_file) },
        ));
    }
    if let Some(TokenLogin { mount, role, token_file }) = &set.jwt {
        let (role, token_file) = (role.clone(), token_file.clone());
        return Some(login(mount.as_deref().unwrap_or("jwt"), LoginMethod::Jwt { role, token: ShownToken::File(token_file) }));
    }
    let CertificateLogin { mount, role, certificate_file, key_file } = set.certificate.as_ref()?;
    let (certificate_file, key_file) = (certificate_file.clone(), key_file.clone());
    Some(login(mount, LoginMethod::Certificate { role: role.clone(), certificate_file, key_file }))
}
