//! One data read, by what the secret is drawn from, compared with what was observed.

use std::sync::Arc;

use lockstep_core::binding::SecretRef;
use lockstep_core::choice::Choice;
use lockstep_core::engine::{self, Engine, Member};
use lockstep_core::fingerprint::FingerprintKey;
use lockstep_core::id::SecretId;
use lockstep_core::kv::KvPath;
use lockstep_core::version::{Mark, Version, VersionNumber};
use lockstep_vault::{Data, Vault, VaultError};

use super::Keys;

/// Reads what was chosen. `None`: what is there is another version than the one that was observed.
pub(super) async fn read(
    vault: &Vault,
    fingerprints: &FingerprintKey,
    secret: &SecretRef,
    id: SecretId,
    choice: &Choice,
) -> Result<Option<Keys>, VaultError> {
    let number = |number: VersionNumber| vault.read(&secret.mount, &secret.path, number);
    let (data, is_meant) = match (choice, secret.engine) {
        (Choice::Gone | Choice::Nothing, _) => return Ok(Some(Keys::default())),
        (Choice::Newest(version), Engine::KvV2) => {
            let data = number(version.id.number).await?;
            let is_meant = data.created == version.created;
            (data, is_meant)
        }
        // Of a pinned version only its incarnation is on record: it cannot be older than that.
        (Choice::Pinned(incarnation, pinned), Engine::KvV2) => {
            let data = number(*pinned).await?;
            let is_meant = data.created >= incarnation.0;
            (data, is_meant)
        }
        (Choice::Newest(version), Engine::KvV1) => {
            let read = vault.read_v1(&secret.mount, &secret.path).await?;
            let keys = read.ok_or_else(|| VaultError::NotFound { what: format!("read_v1 of {}", path(secret, choice)) })?;
            let is_meant = Mark::Fingerprint(fingerprints.fingerprint(id, &keys)) == version.mark;
            (Data { created: version.created, keys }, is_meant)
        }
        (Choice::Newest(version), Engine::StaticRole | Engine::RolePair) => {
            let data = vault.static_creds(&secret.mount, &role(secret, Some(version))).await?;
            let is_meant = data.created == version.created;
            (data, is_meant)
        }
        (Choice::Pinned(..), Engine::KvV1 | Engine::StaticRole | Engine::RolePair) => {
            let why = "it has no versions that can be asked for: take the pin off";
            return Err(VaultError::Refused { what: format!("reading {}", path(secret, choice)), why });
        }
    };
    Ok(is_meant.then(|| Arc::new(data.keys)))
}

/// What such a read asks for, as a policy names it.
pub(super) fn path(secret: &SecretRef, choice: &Choice) -> String {
    let SecretRef { engine, mount, path, .. } = secret;
    let newest = match choice {
        Choice::Newest(version) => Some(version),
        Choice::Pinned(..) | Choice::Gone | Choice::Nothing => None,
    };
    match engine {
        Engine::KvV2 => format!("{mount}/data/{path}"),
        Engine::KvV1 => format!("{mount}/{path}"),
        Engine::StaticRole | Engine::RolePair => format!("{mount}/static-creds/{}", role(secret, newest)),
    }
}

/// The role itself; of a pair the one that the version is of.
fn role(secret: &SecretRef, version: Option<&Version>) -> KvPath {
    let which = version.and_then(|version| version.mark.member()).unwrap_or(Member::First);
    let member = (secret.engine == Engine::RolePair).then(|| engine::member(&secret.path, which)).flatten();
    member.unwrap_or_else(|| secret.path.clone())
}
