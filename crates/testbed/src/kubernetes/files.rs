//! The files that the API server and its clients are started with: certificates, keys, tokens, kubeconfigs.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use uuid::Uuid;

/// Where the files are, and what else is needed of them.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    /// The CA of the API server's certificate.
    pub(super) ca_pem: String,
    /// Of a member of `system:masters`.
    pub(super) admin_token: String,
}

impl Files {
    /// Makes them all.
    pub(super) fn write(folder: &Path) -> Result<Self> {
        let (ca_pem, certificate, key) = certificates().context("making the API server's certificate")?;
        let service_accounts = KeyPair::generate().context("making the key of service accounts")?;
        let admin_token = Uuid::new_v4().simple().to_string();
        let files = Self { folder: folder.to_owned(), ca_pem, admin_token };
        secret_file(&files.ca(), &files.ca_pem)?;
        secret_file(&files.certificate(), &certificate)?;
        secret_file(&files.key(), &key)?;
        secret_file(&files.service_account_key(), &service_accounts.serialize_pem())?;
        secret_file(&files.service_account_public_key(), &service_accounts.public_key_pem())?;
        secret_file(&files.tokens(), &format!("{},admin,admin,system:masters\n", files.admin_token))?;
        Ok(files)
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("apiserver.crt")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("apiserver.key")
    }

    pub(super) fn service_account_key(&self) -> PathBuf {
        self.folder.join("service-accounts.key")
    }

    pub(super) fn service_account_public_key(&self) -> PathBuf {
        self.folder.join("service-accounts.pub")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    /// The administrator's kubeconfig, once it is written.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Writes a kubeconfig for the holder of a token. JSON is YAML, so it is written as that.
    pub(super) fn write_kubeconfig(&self, file: &Path, addr: &str, token: &str) -> Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "contexts": [{ "name": "testbed", "context": { "cluster": "testbed", "user": "testbed" } }],
            "clusters": [{ "name": "testbed", "cluster": {
                "server": addr,
                "certificate-authority-data": BASE64_STANDARD.encode(&self.ca_pem),
            } }],
            "users": [{ "name": "testbed", "user": { "token": token } }],
        });
        secret_file(file, &serde_json::to_string_pretty(&config)?)
    }
}

/// A CA's certificate, and a server's with its key, in PEM.
fn certificates() -> Result<(String, String, String)> {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "testbed");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
    let mut server = CertificateParams::new(names.map(str::to_owned))?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?.pem();
    Ok((ca_pem, certificate, key.serialize_pem()))
}

/// Client libraries warn about a kubeconfig that others can read.
fn secret_file(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("writing {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(())
}
