//! Passwords after a policy.

use lockstep_testbed::OpenBao;
use lockstep_vault::VaultError;
use serde_json::json;

use crate::fixture::{client, path};

#[tokio::test]
async fn a_password_follows_the_policy_and_an_unknown_policy_is_not_found() {
    let bao = OpenBao::shared().await.unwrap();
    let client = client(bao, bao.root_token());
    let policy = json!({ "policy": "length = 20\nrule \"charset\" { charset = \"<é\\\"\" }" });
    bao.request("POST", "sys/policies/password/passwords-odd", Some(policy)).await.unwrap();
    let made = client.vault.generate_password(&path("passwords-odd")).await.unwrap();
    let text = std::str::from_utf8(made.expose()).unwrap();
    assert!(text.chars().count() == 20 && text.chars().all(|c| "<é\"".contains(c)), "as the policy says");
    let unknown = client.vault.generate_password(&path("passwords-never")).await;
    assert!(matches!(unknown, Err(VaultError::NotFound { .. })), "{unknown:?}");
}
