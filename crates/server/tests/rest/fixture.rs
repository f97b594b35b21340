//! A replica's REST API on a database and a PKI mount of its own, and a caller.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use lockstep_core::access::{Access, Role, Scope};
use lockstep_core::digest::{DigestKeyId, RootKey};
use lockstep_core::fingerprint::FingerprintKey;
use lockstep_server::app::App;
use lockstep_server::authority::Authority;
use lockstep_server::config::Config;
use lockstep_server::material_cache::MaterialCache;
use lockstep_server::metrics::Metrics;
use lockstep_server::oidc::Issuers;
use lockstep_server::readiness::Readiness;
use lockstep_server::sources::{Sources, home};
use lockstep_server::token::{Kind, hash, mint};
use lockstep_server::{actor, rest};
use lockstep_store::api_token::NewToken;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{api_token, pool, registry};
use lockstep_telemetry::traces::Traces;
use lockstep_testbed::{Folder, OpenBao, Postgres};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// An address that is in another credential set than the one that tests use. No answer may show it.
pub(crate) const HIDDEN_ADDRESS: &str = "https://vault.hidden.example:8200";
/// The only address that credential set `corp` may be sent to.
pub(crate) const CORP_ADDRESS: &str = "https://vault.corp.example:8200";
/// Who the caller is.
pub(crate) const ACTOR: &str = "token:tester";

/// One replica's REST API.
pub(crate) struct Api {
    pub(crate) app: App,
    pub(crate) token: String,
    router: Router,
    /// What no answer may hold.
    canaries: Vec<String>,
    _folder: Folder,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null where the answer is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's code; it must be a problem in every respect.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("urn:lockstep:problem:{code}"));
        assert_eq!(self.body["status"], self.status.as_u16());
        assert!(!self.body["title"].as_str().unwrap().is_empty());
        code
    }

    /// The fields with mistakes.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|e| e["field"].as_str().unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self
    }

    /// The names of a list's items.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.body["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
    }
}

impl Api {
    pub(crate) async fn start() -> Result<Self> {
        Self::on(Postgres::shared().await?).await
    }

    pub(crate) async fn on(postgres: &Postgres) -> Result<Self> {
        let folder = Folder::new("rest")?;
        let bao = OpenBao::shared().await?;
        let mount = format!("pki-{}", uuid::Uuid::new_v4().simple());
        bao.enable_pki(&mount).await?;
        let token_file = folder.path().join("vault-token");
        std::fs::write(&token_file, bao.root_token())?;
        let database = postgres.create_database().await?;
        pool::migrate(database.url()).await?;
        let config: Config = serde_json::from_value(json!({
            "replica": "replica-1",
            "database": {"urlFile": "unused"},
            "trustDomain": "lockstep.test",
            "listen": {"rest": "127.0.0.1:0", "agents": "127.0.0.1:0", "join": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
            "advertise": {"names": ["localhost"], "agents": ["https://localhost:8444"], "join": ["https://localhost:8445"]},
            "homeVault": {"addresses": [bao.addr()], "credentials": "home", "pkiMount": mount},
            "credentials": [
                {"name": "home", "addresses": [bao.addr(), HIDDEN_ADDRESS], "tokenFile": token_file},
                {"name": "corp", "addresses": [CORP_ADDRESS], "tokenFile": token_file},
            ],
        }))?;
        let vault_metrics = lockstep_vault::Metrics::new();
        let config = Arc::new(config);
        let pool = pool::connect(database.url(), 8).await?;
        let authority = Authority::connect(&config, home(&config, vault_metrics.clone())?).await?;
        let token = mint(Kind::Api)?;
        let app = App {
            metrics: Arc::new(Metrics::new(&vault_metrics)?),
            sources: Arc::new(Sources::new(config.clone(), vault_metrics)),
            readers: Arc::default(),
            logs: Arc::default(),
            traces: Traces::default(),
            fingerprints: FingerprintKey::of(&RootKey::new(DigestKeyId::new("test".to_owned()), [7; 32])),
            materials: MaterialCache::default(),
            issuers: Arc::new(Issuers::new(&config.oidc)?),
            readiness: Arc::new(Readiness::new(pool.clone())),
            authority: Arc::new(authority),
            config,
            pool,
        };
        let mut writing = Writing::begin(&app.pool).await?;
        let permissions = vec![Access { role: Role::Admin, scope: Scope::Everything }].into();
        let (name, hashed) = ("tester".parse()?, hash(&token));
        let new = NewToken { name: &name, hash: &hashed, permissions: &permissions, description: None, life: None };
        api_token::insert(writing.connection(), new).await?.context("another token is called tester")?;
        let entry =
            Entry { actor: actor::server("test"), kind: "ApiTokenMinted", subject: "token/tester".to_owned(), detail: json!({}) };
        writing.commit(&entry).await?;
        let canaries = vec![
            token.clone(),
            hex::encode(hash(&token)),
            bao.root_token().to_owned(),
            token_file.display().to_string(),
            HIDDEN_ADDRESS.to_owned(),
            database.url().to_owned(),
        ];
        Ok(Self { router: rest::router(app.clone()), app, token, canaries, _folder: folder })
    }

    /// Serves `app` as it is now.
    pub(crate) fn serve_anew(&mut self) {
        self.router = rest::router(self.app.clone());
    }

    /// A request as it is. Whatever is answered, it shows none of the canaries.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Result<Answer> {
        let what = format!("{} {}", request.method(), request.uri());
        let (parts, body) = self.router.clone().oneshot(request).await?.into_parts();
        let bytes = to_bytes(body, 32 << 20).await.with_context(|| what.clone())?;
        let text = String::from_utf8(bytes.to_vec())?;
        let shown = format!("{:?} {text}", parts.headers);
        for canary in &self.canaries {
            assert!(!shown.contains(canary), "{what} shows {canary}");
        }
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status: parts.status, headers: parts.headers, text, body })
    }

    /// A request of the caller's, with further headers.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Result<Answer> {
        self.send_as(&self.token, method, path, headers, body).await
    }

    /// The same of another caller's.
    pub(crate) async fn send_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.raw(request.body(body)?).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PUT", path, &[], Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.send("POST", path, &[], body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer> {
        self.send("DELETE", path, &[], None).await
    }

    /// Puts a manifest to where it belongs; it must be accepted.
    pub(crate) async fn apply(&self, manifest: &Value) -> Result<Answer> {
        let plural = format!("{}s", manifest["kind"].as_str().unwrap().to_lowercase());
        let path = format!("/v1/{plural}/{}", manifest["metadata"]["name"].as_str().unwrap());
        Ok(self.put(&path, manifest).await?.ok())
    }

    /// A token with a role at a scope.
    pub(crate) async fn mint(&self, name: &str, role: &str, scope: &Value) -> Result<String> {
        let minted = self.post("/v1/tokens", Some(&json!({"name": name, "role": role, "scope": scope}))).await?.ok();
        Ok(minted.body["token"].as_str().unwrap().to_owned())
    }

    /// A token that may do nothing, as no endpoint makes one.
    pub(crate) async fn mint_without_role(&self, name: &str) -> Result<String> {
        let token = self.mint(name, "viewer", &json!({"everything": true})).await?;
        self.sql(&format!("update api_token set access = '[]' where name = '{name}'")).await?;
        Ok(token)
    }

    /// The number of the newest change.
    pub(crate) async fn seq(&self) -> Result<u64> {
        let mut connection = self.app.pool.acquire().await?;
        Ok(registry::get(&mut connection).await?.head.seq.get())
    }

    /// Raw SQL, for what no endpoint does.
    pub(crate) async fn sql(&self, sql: &str) -> Result<u64> {
        Ok(sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.app.pool).await?.rows_affected())
    }

    /// A source `vault` that is really there, and a grant of what is rotated in it.
    pub(crate) async fn furnish_rotations(&self) -> Result<()> {
        let (mut source, mut grant) = (source(), grant());
        source["metadata"]["name"] = json!("vault");
        source["spec"] = json!({"addresses": [OpenBao::shared().await?.addr()], "credentials": "home"});
        grant["metadata"]["name"] = json!("payments-vault");
        grant["spec"]["paths"][0]["source"] = json!("vault");
        self.apply(&source).await?;
        self.apply(&grant).await.map(drop)
    }

    /// Project `payments`, source `corp`, clusters `eu-1` and `eu-2` with `env=prod`, and a grant for both.
    pub(crate) async fn furnish(&self) -> Result<()> {
        for manifest in [project(), source(), cluster("eu-1", "prod"), cluster("eu-2", "prod"), grant()] {
            self.apply(&manifest).await?;
        }
        Ok(())
    }
}

/// A rotation of one key of a KV secret, in the source that [`Api::furnish_rotations`] registers.
pub(crate) fn rotation(name: &str) -> Value {
    let spec = json!({
        "project": "payments",
        "schedule": "0 3 * * SUN",
        "generate": {"source": "vault", "mount": "kv", "path": "payments/token", "keys": {name: {"random": {}}}},
    });
    manifest("Rotation", name, &spec)
}

fn manifest(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "lockstep.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub(crate) fn project() -> Value {
    manifest("Project", "payments", &json!({"description": "who takes the money"}))
}

pub(crate) fn source() -> Value {
    manifest("Source", "corp", &json!({"addresses": [CORP_ADDRESS], "credentials": "corp"}))
}

pub(crate) fn cluster(name: &str, env: &str) -> Value {
    let mut cluster = manifest("Cluster", name, &json!({}));
    cluster["metadata"]["labels"] = json!({ "env": env });
    cluster
}

pub(crate) fn grant() -> Value {
    let spec = json!({
        "project": "payments",
        "paths": [{"source": "corp", "mount": "kv", "globs": ["payments/**"]}],
        "clusters": {"matchLabels": {"env": "prod"}},
        "namespaces": ["payments-*"],
    });
    manifest("Grant", "payments-prod", &spec)
}

pub(crate) fn role_assignment() -> Value {
    let spec = json!({
        "role": "operator",
        "scope": {"project": "payments"},
        "subjects": [{"issuer": "gitlab", "group": "payments/deploy"}],
    });
    manifest("RoleAssignment", "payments-deploy", &spec)
}

pub(crate) fn maintenance_window() -> Value {
    let spec =
        json!({"project": "payments", "allow": {"schedule": "0 2 * * SAT", "timeZone": "Europe/Berlin", "duration": "2h"}});
    manifest("MaintenanceWindow", "payments-nights", &spec)
}

pub(crate) fn binding() -> Value {
    let spec = json!({
        "project": "payments",
        "clusters": {"matchLabels": {"env": "prod"}},
        "items": [{"source": "corp", "mount": "kv", "path": "payments/db", "keys": {"username": "DB_USER"}}],
        "target": {"secret": {"name": "db", "namespaces": ["payments-prod"]}},
    });
    manifest("Binding", "checkout-db", &spec)
}
