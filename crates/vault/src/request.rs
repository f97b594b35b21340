//! What is asked: a description without address or token.
//!
//! vaultrs and rustify describe requests (path, verb, fields); this crate's transport sends them. Their own execution cannot be
//! used: it reads answers without a limit, loses the headers of an error (`Retry-After`), keeps whole bodies in errors whose
//! `Debug` prints them, and logs Vault's error texts.

use bytes::Bytes;
use http::Method;
use rustify::endpoint::Endpoint;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::VaultError;

/// The operations, as metrics and errors name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Health,
    Login,
    Renew,
    Metadata,
    Scan,
    Read,
    ReadV1,
    StaticRole,
    StaticCreds,
    Document,
    PutDocument,
    Sign,
    CaRoots,
    Capabilities,
    Current,
    Write,
    RotateRole,
    DatabaseConnection,
    Password,
    Issue,
    PkiRole,
    Revoke,
}

impl Operation {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Login => "login",
            Self::Renew => "renew",
            Self::Metadata => "metadata",
            Self::Scan => "scan",
            Self::Read => "read",
            Self::ReadV1 => "read_v1",
            Self::StaticRole => "static_role",
            Self::StaticCreds => "static_creds",
            Self::Document => "document",
            Self::PutDocument => "put_document",
            Self::Sign => "sign",
            Self::CaRoots => "ca_roots",
            Self::Capabilities => "capabilities",
            Self::Current => "current",
            Self::Write => "write",
            Self::RotateRole => "rotate_role",
            Self::DatabaseConnection => "database_connection",
            Self::Password => "password",
            Self::Issue => "issue",
            Self::PkiRole => "pki_role",
            Self::Revoke => "revoke",
        }
    }

    /// Whether a second request would do a second thing: another password, another certificate.
    pub(crate) const fn acts_each_time(self) -> bool {
        matches!(self, Self::Write | Self::RotateRole | Self::Issue)
    }
}

/// One request.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// Below `/v1/`, not encoded.
    pub(crate) path: String,
    /// Encoded.
    pub(crate) query: Option<String>,
    /// Wiped when the last copy goes.
    pub(crate) body: Option<Bytes>,
}

impl Request {
    /// A GET.
    pub(crate) fn get(operation: Operation, path: String) -> Self {
        Self { operation, method: Method::GET, path, query: None, body: None }
    }

    /// A POST.
    pub(crate) fn post(operation: Operation, path: String, body: Option<Bytes>) -> Self {
        Self { operation, method: Method::POST, path, query: None, body }
    }

    /// A POST of fields that are no material.
    pub(crate) fn post_json(operation: Operation, path: String, fields: &impl Serialize) -> Result<Self, VaultError> {
        let mut request = Self::post(operation, path, None);
        let why = "the request could not be written";
        let body = serde_json::to_vec(fields).map_err(|_| VaultError::Protocol { what: request.what(), why })?;
        request.body = Some(Bytes::from(body));
        Ok(request)
    }

    /// From a description of vaultrs's.
    pub(crate) fn of(operation: Operation, endpoint: &impl Endpoint) -> Result<Self, VaultError> {
        // Some of vaultrs's paths begin with a slash, and two with a tab.
        let path = endpoint.path().trim().trim_matches('/').to_owned();
        let unbuilt = |_| VaultError::Protocol { what: path.clone(), why: "the request could not be written" };
        let query = endpoint.query().map_err(unbuilt)?.filter(|query| !query.is_empty());
        let body = endpoint.body().map_err(unbuilt)?.filter(|body| !body.is_empty());
        Ok(Self {
            operation,
            method: endpoint.method().into(),
            query,
            body: body.map(|body| Bytes::from_owner(Zeroizing::new(body))),
            path,
        })
    }

    /// For errors: the operation and path.
    pub(crate) fn what(&self) -> String {
        format!("{} of {}", self.operation.as_str(), self.path)
    }

    /// Whether it may be sent twice.
    pub(crate) fn is_read(&self) -> bool {
        self.method == Method::GET || self.method.as_str() == "LIST"
    }
}
