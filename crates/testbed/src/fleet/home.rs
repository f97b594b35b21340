//! Setting a Vault up as `docs/install.md` says: PKI with two roles, a KV mount for Lockstep's own documents, a policy, a token.

use anyhow::Result;
use serde_json::json;

use crate::OpenBao;
use crate::fleet::{KV, TRUST_DOMAIN};

/// What the replicas need of it.
pub(super) struct Home {
    pub(super) root_pem: String,
    pub(super) token: String,
}

/// The least that Lockstep needs: its own documents, signing, and reading what is bound.
fn policy() -> String {
    format!(
        "path \"lockstep/data/*\" {{ capabilities = [\"create\", \"update\", \"read\"] }}\n\
         path \"lockstep-pki/sign/*\" {{ capabilities = [\"update\"] }}\n\
         path \"lockstep-pki/issuers\" {{ capabilities = [\"list\"] }}\n\
         path \"lockstep-pki/issuer/*\" {{ capabilities = [\"read\"] }}\n\
         path \"{KV}/metadata/shop/*\" {{ capabilities = [\"read\"] }}\n\
         path \"{KV}/detailed-metadata/shop/*\" {{ capabilities = [\"scan\", \"list\"] }}\n\
         path \"{KV}/detailed-metadata/shop\" {{ capabilities = [\"scan\", \"list\"] }}\n\
         path \"{KV}/data/shop/*\" {{ capabilities = [\"read\"] }}\n"
    )
}

pub(super) async fn set_up(bao: &OpenBao) -> Result<Home> {
    let root_pem = bao.enable_pki("lockstep-pki").await?;
    let names_come_from_the_call = json!({
        "use_csr_common_name": false, "use_csr_sans": false, "require_cn": false, "key_type": "any", "max_ttl": "168h",
    });
    let mut agent = names_come_from_the_call.clone();
    merge(
        &mut agent,
        json!({
            "allowed_uri_sans": format!("spiffe://{TRUST_DOMAIN}/cluster/*"), "client_flag": true, "server_flag": false,
            "allow_ip_sans": false, "allow_localhost": false,
        }),
    );
    let mut server = names_come_from_the_call;
    merge(
        &mut server,
        json!({
            "allowed_uri_sans": format!("spiffe://{TRUST_DOMAIN}/server"), "client_flag": false, "server_flag": true,
            "allowed_domains": "localhost", "allow_bare_domains": true, "allow_ip_sans": true,
        }),
    );
    bao.request("POST", "lockstep-pki/roles/agent", Some(agent)).await?;
    bao.request("POST", "lockstep-pki/roles/server", Some(server)).await?;
    bao.enable_kv("lockstep").await?;
    bao.write_policy("lockstep", &policy()).await?;
    Ok(Home { root_pem, token: bao.create_token(&["lockstep"]).await? })
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    if let (Some(into), serde_json::Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}
