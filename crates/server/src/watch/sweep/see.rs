//! What a look at one secret asks for, by what it is drawn from. None of it reads material, but for KV version 1, which has nothing else.

use chrono::{DateTime, Utc};
use lockstep_core::engine::{self, Engine};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::version::{Began, Counted, Seen};
use lockstep_store::secret::SecretRecord;
use lockstep_vault::{NEVER_ROTATED, Vault, VaultError};

use super::{Look, SweepError, Sweeper};

/// Why KV version 1 is not looked at where clusters read for themselves.
const ONLY_BY_READING: &str = "KV version 1 can only be watched by reading it, and its source has readAs: Cluster, so that the server may \
     not: move it to KV version 2, or bind it from a source with readAs: Server";

impl Sweeper {
    /// Asks. Of a pair of roles both, so that what is seen holds whichever a rotation makes the delivered one meanwhile.
    pub(super) async fn see(
        &mut self,
        look: &Look<'_>,
        secret: &SecretRecord,
    ) -> Result<(Began, Result<Seen, VaultError>), SweepError> {
        let began = self.begin(look).await?;
        let SecretRecord { mount, path, .. } = secret;
        let seen = match secret.engine {
            Engine::KvV2 => look.vault.metadata(mount, path).await,
            Engine::KvV1 if !look.server_reads => {
                Err(VaultError::Refused { what: format!("watching {mount}/{path}"), why: ONLY_BY_READING })
            }
            Engine::KvV1 => self.fingerprint(look, secret).await,
            Engine::StaticRole => {
                let stamp = stamp(look.vault, mount, path).await;
                stamp.map(|stamp| stamp.map_or(Seen::Nothing, |at| Seen::Counted(Counted::Rotated(at))))
            }
            Engine::RolePair => return self.pair(look, secret, began).await,
        };
        Ok((began, seen))
    }

    async fn fingerprint(&self, look: &Look<'_>, secret: &SecretRecord) -> Result<Seen, VaultError> {
        let read = look.vault.read_v1(&secret.mount, &secret.path).await?;
        let of = |keys| Counted::Fingerprint(self.app.fingerprints.fingerprint(secret.id, &keys));
        Ok(read.map_or(Seen::Nothing, |keys| Seen::Counted(of(keys))))
    }

    async fn pair(
        &mut self,
        look: &Look<'_>,
        secret: &SecretRecord,
        began: Began,
    ) -> Result<(Began, Result<Seen, VaultError>), SweepError> {
        let Some((first, second)) = engine::members(&secret.path) else {
            let what = format!("watching {}/{}", secret.mount, secret.path);
            return Ok((began, Err(VaultError::Protocol { what, why: "this is no pair of roles" })));
        };
        let first = match stamp(look.vault, &secret.mount, &first).await {
            Ok(stamp) => stamp,
            Err(error) => return Ok((began, Err(error))),
        };
        // A request of its own, for the budget and the lease.
        self.begin(look).await?;
        let second = stamp(look.vault, &secret.mount, &second).await;
        Ok((began, second.map(|second| Seen::Counted(Counted::Pair { first, second }))))
    }
}

/// When the role was last rotated; `None`: there is no such role.
async fn stamp(vault: &Vault, mount: &KvMount, role: &KvPath) -> Result<Option<DateTime<Utc>>, VaultError> {
    let Some(found) = vault.static_role(mount, role).await? else { return Ok(None) };
    let never = || VaultError::Refused { what: format!("watching {mount}/static-roles/{role}"), why: NEVER_ROTATED };
    found.last_rotation.ok_or_else(never).map(Some)
}
