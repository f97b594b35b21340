//! Passwords that a Vault makes after a policy of its own.

use lockstep_core::kv::KvPath;
use lockstep_core::material::Material;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::{self, Envelope};
use crate::request::{Operation, Request};

#[derive(Deserialize)]
struct Generated<'a> {
    #[serde(borrow)]
    password: &'a RawValue,
}

impl Vault {
    /// A new password after this password policy. The Vault keeps it nowhere. [`VaultError::NotFound`] when there is no such policy.
    pub async fn generate_password(&self, policy: &KvPath) -> Result<Material, VaultError> {
        let request = Request::get(Operation::Password, format!("sys/policies/password/{policy}/generate"));
        let answer = self.call(&request).await?;
        if answer.says("policy does not exist") || answer.says("policy not found") {
            return Err(VaultError::NotFound { what: request.what() });
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<Generated<'_>>>(&request)?;
        let why = "the password is not text";
        kv::material(data.password).ok_or_else(|| VaultError::Protocol { what: request.what(), why })
    }
}
