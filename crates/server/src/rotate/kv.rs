//! New values in a KV v2 secret: written over what was read, and over nothing else.
//!
//! What is about to be written is recorded as a keyed fingerprint before it is. After a crash the value itself is lost; whether it was written shows in
//! what there is: ours, nothing new, or somebody else's. Whatever a person wrote meanwhile stays: a version that he made of other keys is
//! written over with these keys changed, one that he made of the same keys ends the run.

use std::collections::BTreeMap;

use lockstep_core::binding::SecretRef;
use lockstep_core::rotation::Kind;
use lockstep_core::rotation::stage::{Fingerprint, Intent, Made, Stage};
use lockstep_core::version::VersionNumber;
use lockstep_vault::{Json, RawData, Vault, VaultError};
use tokio::time::Instant;

use super::drive::Drive;
use super::trouble::Trouble;
use super::values::{self, Values};

/// What is there, if anything ever was.
async fn current(vault: &Vault, secret: &SecretRef) -> Result<Option<RawData>, Trouble> {
    match vault.current(&secret.mount, &secret.path).await {
        Ok(data) => Ok(Some(data)),
        Err(VaultError::NotFound { .. }) => Ok(None),
        Err(VaultError::Gone(gone)) => {
            Err(Trouble::Never(format!("its newest version is {gone}: write the secret anew, and nothing was changed")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The fingerprint of these keys; `None` where one of them is not there.
fn print(drive: &Drive<'_>, keys: &[&str], data: &BTreeMap<String, Json>) -> Option<Fingerprint> {
    let values: Option<BTreeMap<&str, &[u8]>> = keys.iter().map(|key| Some((*key, data.get(*key)?.expose()))).collect();
    Some(Fingerprint(drive.rotator.key.fingerprint(&values?)))
}

/// Makes values, records what is about to be written, and writes it.
pub(super) async fn replace(drive: &Drive<'_>, vault: &Vault, end: Instant) -> Result<(), Trouble> {
    let kind = &drive.spec().kind;
    let secret = drive.secret();
    let found = current(vault, secret).await?;
    let Values { keys: made, serial, life } = values::make(vault, kind).await?;
    let keys = values::names(kind);
    let before = found.as_ref().and_then(|data| print(drive, &keys, &data.keys));
    let base = found.as_ref().map(|data| data.number);
    let mut all: BTreeMap<String, Json> = found.map(|data| data.keys).unwrap_or_default();
    all.extend(made);
    let print = print(drive, &keys, &all).ok_or_else(|| Trouble::Never("not every key got a value".to_owned()))?;
    let intent = Intent::Write { base, before, print, serial, life };
    drive.enter(Stage::Making(intent)).await?;
    if Instant::now() + drive.rotator.call_limit() > end {
        // Whoever takes the run over must not find a write under way: it is found that nothing was written, and begun again.
        return Ok(());
    }
    match vault.write(&secret.mount, &secret.path, &all, base.map_or(0, VersionNumber::get)).await {
        Ok(version) => {
            drive.point("made");
            Ok(drive.enter(Stage::Delivering(Made::Written { number: version.number, base, before, life })).await?)
        }
        // What became of it is found out by looking, as after a crash.
        Err(VaultError::Cas { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Finds out whether what was about to be written is there.
pub(super) async fn find_out(drive: &Drive<'_>, vault: &Vault, intent: &Intent) -> Result<(), Trouble> {
    let Intent::Write { base, before, print: ours, serial, life } = intent else { return Ok(()) };
    let kind = &drive.spec().kind;
    let found = current(vault, drive.secret()).await?;
    let now = found.as_ref().and_then(|data| print(drive, &values::names(kind), &data.keys));
    let number = found.map(|data| data.number);
    if let (Some(number), true) = (number, now == Some(*ours)) {
        let made = Made::Written { number, base: *base, before: *before, life: *life };
        return Ok(drive.enter(Stage::Delivering(made)).await?);
    }
    if number > *base && now != *before {
        let number = number.map_or_else(String::new, |number| number.to_string());
        return Err(Trouble::Never(format!(
            "somebody wrote version {number} of {} with other values of the rotated keys, which were left alone",
            drive.secret().path
        )));
    }
    if let (Kind::Pki { certificate, .. }, Some(serial)) = (kind, serial)
        && let Err(error) = vault.revoke_certificate(&certificate.mount, serial).await
    {
        tracing::warn!(rotation = drive.rotation.name, %error, "a certificate that nobody got could not be revoked; it ends by itself");
    }
    if number > *base {
        // Others write the same secret, and each that begins again at once is in the others' way.
        tokio::time::sleep(drive.stand_back()).await;
    }
    Ok(drive.enter(Stage::Preparing).await?)
}

/// Writes the rotated keys as they were before, if they are still as this run wrote them.
pub(super) async fn write_back(
    drive: &Drive<'_>,
    vault: &Vault,
    number: VersionNumber,
    base: Option<VersionNumber>,
    before: Option<Fingerprint>,
    because: &str,
) -> Result<(), Trouble> {
    let kind = &drive.spec().kind;
    let secret = drive.secret();
    let (Some(base), Some(before)) = (base, before) else {
        return Err(Trouble::Never(format!("{because}; there is nothing before version {number} to roll back to")));
    };
    let found = current(vault, secret).await?;
    let keys = values::names(kind);
    let Some(mut found) = found else {
        return Err(Trouble::Never(format!("{because}; the secret is gone, and nothing was rolled back")));
    };
    let failed = |version| Trouble::Never(format!("rolled back to what version {base} held, as version {version}: {because}"));
    if print(drive, &keys, &found.keys) == Some(before) {
        return Err(failed(found.number));
    }
    if found.number != number {
        let newer = found.number;
        return Err(Trouble::Never(format!("{because}; somebody wrote version {newer} meanwhile, and it was left alone")));
    }
    let mut old = match vault.version(&secret.mount, &secret.path, base).await {
        Ok(old) => old,
        Err(VaultError::Gone(_) | VaultError::NotFound { .. }) => {
            return Err(Trouble::Never(format!("{because}; version {base} is gone at the source, and nothing was rolled back")));
        }
        Err(error) => return Err(error.into()),
    };
    for key in keys {
        if let Some(value) = old.keys.remove(key) {
            found.keys.insert(key.to_owned(), value);
        }
    }
    match vault.write(&secret.mount, &secret.path, &found.keys, number.get()).await {
        Ok(version) => {
            drive.point("withdrawn");
            Err(failed(version.number))
        }
        Err(VaultError::Cas { .. }) => Err(Trouble::Again("somebody wrote the secret at this moment".to_owned())),
        Err(error) => Err(error.into()),
    }
}
