//! KV version 1: one value at a path, and nothing said of when it was written.
//!
//! Measured with OpenBao 2.7: a version 2 engine answers such a read with a 404 that is not Vault's word for nothing, and so is never
//! taken for a secret that is gone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::Method;
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::material;
use crate::request::{Operation, Request};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    lease_id: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<BTreeMap<String, &'a RawValue>>,
}

impl Vault {
    /// Reads what is there; `None`: nothing.
    pub async fn read_v1(&self, mount: &KvMount, path: &KvPath) -> Result<Option<BTreeMap<String, Material>>, VaultError> {
        let request = Request {
            operation: Operation::ReadV1,
            method: Method::GET,
            path: format!("{mount}/{path}"),
            query: None,
            body: None,
        };
        let answer = self.call(&request).await?;
        if answer.is_nothing() {
            return Ok(None);
        }
        if !answer.is_success() {
            return Err(match answer.failure(&request) {
                VaultError::Protocol { what, .. } => VaultError::Protocol {
                    what,
                    why: "a 404 that is not Vault's word for nothing; is this a KV version 1 engine?",
                },
                other => other,
            });
        }
        let Body { lease_id, data } = answer.parse::<Body<'_>>(&request)?;
        if !lease_id.is_empty() {
            let why = "the answer is a lease, made at each read: this is no KV version 1 engine. Take it out of the binding";
            return Err(VaultError::Refused { what: request.what(), why });
        }
        let unreadable = || VaultError::Protocol { what: request.what(), why: "the data is not an object of values" };
        let keys = data.ok_or_else(unreadable)?.into_iter().map(|(key, value)| Some((key, material(value)?)));
        keys.collect::<Option<_>>().map(Some).ok_or_else(unreadable)
    }
}
