//! What the demo delivers: the secrets of a shop's services.

use std::path::Path;

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::KV;
use serde_json::json;
use uuid::Uuid;

/// The services, one secret each, at `kv/shop/<name>`; the bindings of `deploy/demo` name the same.
pub(crate) const SECRETS: [&str; 10] =
    ["accounts", "cart", "catalog", "checkout", "gateway", "mail", "orders", "payments", "search", "stock"];

/// The key whose file tells versions apart.
pub(crate) const KEY: &str = "password";

/// One version that was written.
pub(crate) struct Written {
    /// Vault's number.
    pub(crate) version: u64,
    /// The value of [`KEY`]: no two versions have the same.
    pub(crate) password: String,
}

/// Writes a new version.
pub(crate) async fn write(fleet: &Fleet, secret: &str) -> Result<Written> {
    let password = Uuid::new_v4().simple().to_string();
    let version = fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "username": secret, KEY: password })).await?;
    Ok(Written { version, password })
}

/// Applies `deploy/demo` with the CLI, and answers what it printed.
pub(crate) async fn apply_manifests(fleet: &Fleet) -> Result<String> {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo");
    let folder = fleet.folder().join("deploy-demo");
    std::fs::create_dir(&folder)?;
    let entries = std::fs::read_dir(&manifests).with_context(|| format!("reading {}", manifests.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(entry.path())?.replace("VAULT_ADDR", fleet.bao.addr());
            std::fs::write(folder.join(entry.file_name()), text)?;
        }
    }
    Ok(fleet.cli(&["apply", "-f", &folder.to_string_lossy()]).await?.stdout)
}
