//! etcd and the API server.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::files::Files;
use super::install::{APISERVER, ETCD, program};
use crate::process::Spec;

/// The API server drains its watches for a minute when asked to end; nobody here waits for that.
const GRACE: Duration = Duration::from_secs(3);

pub(super) fn etcd(port: u16, peer_port: u16, folder: &Path) -> Result<Spec> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    Ok(Spec::new(program(&ETCD)?)
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        .args(["--log-level=warn", "--unsafe-no-fsync"])
        .orphaned_folder(folder))
}

pub(super) fn apiserver(port: u16, etcd_port: u16, issuer: &str, files: &Files, folder: &Path) -> Result<Spec> {
    Ok(Spec::new(program(&APISERVER)?)
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
        .arg(format!("--secure-port={port}"))
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        // Endpoints may not be loopback addresses; nothing runs in this cluster that would look for them.
        .arg("--endpoint-reconciler-type=none")
        .arg("--service-cluster-ip-range=10.96.0.0/16")
        .arg("--authorization-mode=RBAC")
        .arg("--tls-cert-file")
        .arg(files.certificate())
        .arg("--tls-private-key-file")
        .arg(files.key())
        .arg("--token-auth-file")
        .arg(files.tokens())
        .arg(format!("--service-account-issuer={issuer}"))
        .arg(format!("--service-account-jwks-uri={issuer}/openid/v1/jwks"))
        .arg(format!("--api-audiences={}", super::API_AUDIENCE))
        .arg("--service-account-signing-key-file")
        .arg(files.service_account_key())
        .arg("--service-account-key-file")
        .arg(files.service_account_public_key())
        .grace(GRACE)
        .orphaned_folder(folder))
}
