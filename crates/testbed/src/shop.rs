//! What the demo delivers: the secrets of a shop's services.

use anyhow::{Context as _, Result};
use serde_json::json;
use uuid::Uuid;

use crate::fleet::{KV, NAMESPACE, Sink};
use crate::{Fleet, checkout};

/// The services, one secret each, at `kv/shop/<name>`; the bindings of `deploy/demo` name the same.
pub const SECRETS: [&str; 10] =
    ["accounts", "cart", "catalog", "checkout", "gateway", "mail", "orders", "payments", "search", "stock"];

/// The key whose file tells versions apart.
pub const KEY: &str = "password";

/// One version that was written.
pub struct Written {
    /// Vault's number.
    pub version: u64,
    /// The value of [`KEY`]: no two versions have the same.
    pub password: String,
}

/// Writes a new version.
pub async fn write(fleet: &Fleet, secret: &str) -> Result<Written> {
    let password = Uuid::new_v4().simple().to_string();
    let version = fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "username": secret, KEY: password })).await?;
    Ok(Written { version, password })
}

/// The copy of `deploy/demo` with OpenBao's address filled in, in the fleet's folder.
pub const FILLED_IN: &str = "deploy-demo";

/// Applies `deploy/demo` with the CLI, and answers what it printed.
pub async fn apply_manifests(fleet: &Fleet) -> Result<String> {
    let manifests = checkout::find("deploy/demo")?;
    let folder = fleet.folder().join(FILLED_IN);
    std::fs::create_dir(&folder)?;
    let entries = std::fs::read_dir(&manifests).with_context(|| format!("reading {}", manifests.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(entry.path())?.replace("VAULT_ADDR", fleet.bao.addr());
            let text = if fleet.sink() == Sink::Secret { to_secrets(&text) } else { text };
            std::fs::write(folder.join(entry.file_name()), text)?;
        }
    }
    Ok(fleet.cli(&["apply", "--yes", "-f", &folder.to_string_lossy()]).await?.stdout)
}

/// The same bindings, to Secrets.
fn to_secrets(manifests: &str) -> String {
    manifests.replace("{directory: {", &format!("{{secret: {{namespaces: [{NAMESPACE}], "))
}
