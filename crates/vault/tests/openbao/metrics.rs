//! What is counted.

use lockstep_telemetry::catalogue::Catalogue;
use lockstep_testbed::OpenBao;
use lockstep_vault::{Credentials, Metrics, Settings, Vault};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tempfile::TempDir;

use crate::fixture::path;

#[tokio::test]
async fn each_exchange_is_counted_by_how_it_ended() {
    let bao = OpenBao::shared().await.unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, bao.root_token()).unwrap();
    let registry = Registry::new();
    let metrics = Metrics::new();
    metrics.register(&mut Catalogue::of(&registry)).unwrap();
    let settings = Settings::new(vec![bao.addr().to_owned()], Credentials::TokenFile(file));
    let vault = Vault::new(settings, metrics, "corp").unwrap();
    vault.health().await.unwrap();
    vault.metadata(&"metrics-nowhere".parse().unwrap(), &path("db")).await.unwrap_err();
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        r#"lockstep_vault_requests_total{operation="health",outcome="ok",source="corp"} 1"#,
        r#"lockstep_vault_requests_total{operation="metadata",outcome="not_found",source="corp"} 1"#,
        r#"lockstep_vault_request_duration_seconds_count{operation="metadata",source="corp"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}
