//! The server logs in to a Vault with its own service account, and a cluster reviews the token.

use anyhow::Result;
use lockstep_testbed::{Folder, Kubernetes, OpenBao};
use lockstep_vault::{Credentials, Login, LoginFault, LoginMethod, Metrics, Settings, ShownToken, Vault, VaultError};
use serde_json::json;

#[tokio::test]
async fn a_service_account_logs_in_once_and_another_one_is_refused() -> Result<()> {
    let (kubernetes, bao) = (Kubernetes::shared().await?, OpenBao::start().await?);
    kubernetes.create_namespace("vault-login").await?;
    for account in ["reviewer", "lockstep-server", "other"] {
        kubernetes.create_service_account("vault-login", account).await?;
    }
    kubernetes.bind_cluster_role("vault-login", "reviewer", "system:auth-delegator").await?;
    let reviewer = kubernetes.token("vault-login", "reviewer", &[]).await?;
    bao.enable_kubernetes_auth("kubernetes", kubernetes.addr(), kubernetes.ca_pem(), Some(&reviewer)).await?;
    bao.enable_kv("kv").await?;
    bao.write_policy("kv", r#"path "kv/metadata/*" { capabilities = ["read"] }"#).await?;
    let role = json!({
        "bound_service_account_names": ["lockstep-server"],
        "bound_service_account_namespaces": ["vault-login"],
        "audience": "vault",
        "token_policies": ["kv"],
    });
    bao.request("POST", "auth/kubernetes/role/lockstep", Some(role)).await?;
    let folder = Folder::new("vault-login")?;
    let vault = async |account: &str| {
        let file = folder.path().join(account);
        std::fs::write(&file, kubernetes.token("vault-login", account, &["vault"]).await?)?;
        let method = LoginMethod::Kubernetes { role: "lockstep".to_owned(), token: ShownToken::File(file) };
        let credentials = Credentials::Login(Login { mount: "kubernetes".to_owned(), method });
        anyhow::Ok(Vault::new(Settings::new(vec![bao.addr().to_owned()], credentials), Metrics::new(), "corp")?)
    };
    let ours = vault("lockstep-server").await?;
    for path in ["a", "b", "c"] {
        ours.metadata(&"kv".parse()?, &path.parse()?).await?;
    }
    assert_eq!(bao.count_requests(|path, _| path == "auth/kubernetes/login")?, 1, "one login, however many secrets");
    let refused = vault("other").await?.metadata(&"kv".parse()?, &"a".parse()?).await;
    assert!(
        matches!(refused, Err(VaultError::Unauthenticated(LoginFault::LoginRefused { method: "Kubernetes", .. }))),
        "{refused:?}"
    );
    Ok(())
}
