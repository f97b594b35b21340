//! Mounts and clients on the server that all tests share.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::version::{CurrentVersion, Seen, VersionNumber};
use lockstep_testbed::OpenBao;
use lockstep_vault::{Credentials, Login, LoginMethod, Metrics, Settings, Vault};
use tempfile::TempDir;

/// A client and the folder of its credentials.
pub(crate) struct Client {
    pub(crate) vault: Vault,
    pub(crate) folder: TempDir,
}

/// A KV mount of a test's own, and a client that may do everything.
pub(crate) async fn kv(mount: &str) -> (&'static OpenBao, KvMount, Client) {
    let bao = OpenBao::shared().await.unwrap();
    bao.enable_kv(mount).await.unwrap();
    (bao, mount.parse().unwrap(), client(bao, bao.root_token()))
}

/// A client with this token in a file.
pub(crate) fn client(bao: &OpenBao, token: &str) -> Client {
    with(token, |_| {}, &[bao.addr()])
}

/// A client with other settings.
pub(crate) fn with(token: &str, change: impl FnOnce(&mut Settings), addresses: &[&str]) -> Client {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
    let mut settings = Settings::new(addresses, Credentials::TokenFile(file));
    // Two cores, many servers at once: a test's limit must not be what fails.
    settings.timeout = Duration::from_secs(30);
    change(&mut settings);
    Client { vault: Vault::new(settings, Metrics::new(), "corp").unwrap(), folder }
}

/// AppRole credentials in files of `folder`, for a role with these parameters.
pub(crate) async fn app_role(bao: &OpenBao, mount: &str, role: serde_json::Value, folder: &Path) -> Credentials {
    bao.enable_auth(mount, "approle").await.unwrap();
    bao.request("POST", &format!("auth/{mount}/role/lockstep"), Some(role)).await.unwrap();
    let role_id = bao.request("GET", &format!("auth/{mount}/role/lockstep/role-id"), None).await.unwrap();
    let secret_id = bao.request("POST", &format!("auth/{mount}/role/lockstep/secret-id"), None).await.unwrap();
    let write = |name: &str, text: &serde_json::Value| {
        let file = folder.join(name);
        fs::write(&file, text.as_str().unwrap()).unwrap();
        file
    };
    let method = LoginMethod::AppRole {
        role_id_file: write("role_id", &role_id["data"]["role_id"]),
        secret_id_file: write("secret_id", &secret_id["data"]["secret_id"]),
    };
    Credentials::Login(Login { mount: mount.to_owned(), method })
}

pub(crate) fn path(text: &str) -> KvPath {
    text.parse().unwrap()
}

pub(crate) fn number(number: u64) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub(crate) fn current(seen: Seen) -> CurrentVersion {
    match seen {
        Seen::Current(current) => current,
        Seen::Nothing | Seen::Counted(_) => panic!("{seen:?} was seen"),
    }
}
