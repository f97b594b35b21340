//! What a rotation names at its source, looked for when it is written: nobody should learn at three in the morning that a role is misspelt.

mod certificate;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use lockstep_api::field::{FieldError, Mistakes};
use lockstep_core::binding::SecretRef;
use lockstep_core::engine::Engine;
use lockstep_core::id::ProjectId;
use lockstep_core::kv::KvPath;
use lockstep_core::recipe::Recipe;
use lockstep_core::rotation::{By, CertificateRequest, Kind, PAIR_PERIODS_MIN, RotationSpec};
use lockstep_store::rotation::own;
use lockstep_store::{StoreError, pool};
use lockstep_vault::{Act, Right, Secret, StaticRole, Vault, VaultError};

use super::client;
use super::trouble::Trouble;
use crate::app::App;

/// Of so many clusters' own secrets the rights are looked at when a rotation is written.
const CLUSTERS_PROBED_MAX: usize = 5;

/// Why it cannot be looked for now.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// The source is away.
    #[error(transparent)]
    Source(#[from] VaultError),
    /// The registry is.
    #[error(transparent)]
    Registry(#[from] StoreError),
}

/// What is not there or not allowed, of a rotation of that project. An error: it cannot be asked now.
pub async fn probe(app: &App, project: ProjectId, spec: &RotationSpec) -> Result<Vec<FieldError>, Unasked> {
    let kind = &spec.kind;
    let field = format!("spec.{}", kind.as_str());
    let mut mistakes = Mistakes::default();
    let vault = match client::of(app, kind.source()).await {
        Ok(vault) => vault,
        Err(Trouble::Again(why) | Trouble::Never(why)) => {
            mistakes.add(format!("{field}.source"), why);
            return Ok(found(mistakes));
        }
        Err(Trouble::Registry(error)) => return Err(error.into()),
    };
    let each = each(app, project, kind).await?;
    let all: Vec<Act> = each.iter().flat_map(acts).collect();
    for lacking in vault.lacking_for(&all).await? {
        let reason = format!(
            "the credentials by which the server writes there may not {} {}: add it to their policy",
            lacking.capability, lacking.path
        );
        mistakes.add(&field, reason);
    }
    for missing in unreadable(&vault, &each).await? {
        mistakes.add(
            &field,
            format!("the credentials by which the server writes there may not read {missing}: add it to their policy"),
        );
    }
    // Whoever may not look is told that nothing is there.
    if !mistakes.is_empty() {
        return Ok(found(mistakes));
    }
    match kind {
        Kind::Generate { keys, .. } => policies(&vault, keys, &field, &mut mistakes).await?,
        Kind::DatabaseStatic { secret } => {
            role(&vault, secret, &secret.path, &format!("{field}.role"), &mut mistakes).await?;
        }
        Kind::DatabasePair { secret, .. } => pair(&vault, secret, spec, &mut mistakes).await?,
        Kind::Pki { certificate, .. } | Kind::PkiPerCluster { certificate, .. } => {
            certificate::check(&vault, certificate, spec, &mut mistakes).await?;
        }
    }
    Ok(found(mistakes))
}

fn found(mistakes: Mistakes) -> Vec<FieldError> {
    mistakes.finish(Some(())).err().unwrap_or_default()
}

/// What is rotated, and of each cluster's own that of the first few clusters. Whoever has none yet is seen when it has.
async fn each(app: &App, project: ProjectId, kind: &Kind) -> Result<Vec<Kind>, StoreError> {
    let mut all = vec![kind.clone()];
    if let Kind::PkiPerCluster { secrets, .. } = kind {
        let mut connection = pool::acquire(&app.pool).await?;
        let wanted = own::wanted(&mut connection, project, secrets).await?;
        all.extend(wanted.iter().take(CLUSTERS_PROBED_MAX).map(|(_, name)| kind.of(name)));
    }
    Ok(all)
}

/// What its runs do at the source.
pub(crate) fn acts(kind: &Kind) -> Vec<Act> {
    match kind {
        Kind::Generate { keys, secret } => {
            let policies = keys.values().filter_map(|recipe| match recipe {
                Recipe::Policy { name } => Some(Act::GeneratePassword(name.clone())),
                Recipe::Random(_) | Recipe::Ed25519 { .. } | Recipe::Rsa { .. } => None,
            });
            std::iter::once(Act::Create(secret.mount.clone(), secret.path.clone())).chain(policies).collect()
        }
        Kind::DatabaseStatic { secret } | Kind::DatabasePair { secret, .. } => {
            secret.granted_paths().map(|role| Act::RotateStaticRole(secret.mount.clone(), role)).collect()
        }
        Kind::Pki { certificate, secret } => {
            let issuing = issuing(certificate).into_iter();
            std::iter::once(Act::Create(secret.mount.clone(), secret.path.clone())).chain(issuing).collect()
        }
        Kind::PkiPerCluster { certificate, .. } => issuing(certificate).into(),
    }
}

fn issuing(certificate: &CertificateRequest) -> [Act; 2] {
    let CertificateRequest { mount, role, .. } = certificate;
    [Act::Issue(mount.clone(), role.clone()), Act::Revoke(mount.clone())]
}

/// What its runs look at and may not: when there is something new, and of a pair the password, which is tried.
async fn unreadable(vault: &Vault, kinds: &[Kind]) -> Result<Vec<String>, VaultError> {
    let mut all = Vec::new();
    for kind in kinds {
        let Some(SecretRef { engine, mount, path, .. }) = kind.secret().cloned() else { continue };
        let rights: &[Right] = match kind {
            Kind::Generate { .. } | Kind::Pki { .. } | Kind::PkiPerCluster { .. } | Kind::DatabaseStatic { .. } => {
                &[Right::Watch]
            }
            Kind::DatabasePair { .. } => &Right::ALL,
        };
        let missing = vault.missing_rights(&[Secret { engine, mount, path }], rights).await?;
        all.extend(missing.into_iter().map(|missing| missing.path));
    }
    Ok(all)
}

/// Why it is not there; `None`: it is.
fn missing<T>(result: Result<T, VaultError>) -> Result<Option<String>, VaultError> {
    match result {
        Ok(_) => Ok(None),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

async fn policies(
    vault: &Vault,
    keys: &BTreeMap<String, Recipe>,
    field: &str,
    mistakes: &mut Mistakes,
) -> Result<(), VaultError> {
    for (key, recipe) in keys {
        let Recipe::Policy { name } = recipe else { continue };
        if let Some(why) = missing(vault.generate_password(name).await)? {
            mistakes.add(format!("{field}.keys[{key}].policy"), format!("the source makes no password by policy {name}: {why}"));
        }
    }
    Ok(())
}

async fn role(
    vault: &Vault,
    secret: &SecretRef,
    name: &KvPath,
    field: &str,
    mistakes: &mut Mistakes,
) -> Result<Option<StaticRole>, VaultError> {
    match vault.static_role(&secret.mount, name).await {
        Ok(Some(found)) => return Ok(Some(found)),
        Ok(None) => mistakes.add(field, format!("the database engine {} has no static role {name}", secret.mount)),
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => mistakes.add(field, error),
    }
    Ok(None)
}

/// Both roles are there, in the same database, and Vault leaves them alone for long enough to be in step.
async fn pair(vault: &Vault, secret: &SecretRef, spec: &RotationSpec, mistakes: &mut Mistakes) -> Result<(), VaultError> {
    debug_assert_eq!(secret.engine, Engine::RolePair);
    let By::Schedule(schedule) = &spec.timing.by else { return Ok(()) };
    let interval = schedule.shortest_interval();
    let least = interval.checked_mul(PAIR_PERIODS_MIN).unwrap_or(TimeDelta::MAX);
    let mut databases = Vec::new();
    for (i, name) in secret.granted_paths().enumerate() {
        let field = format!("spec.databasePair.roles[{i}]");
        let Some(found) = role(vault, secret, &name, &field, mistakes).await? else { continue };
        match found.rotation_period.and_then(|period| TimeDelta::from_std(period).ok()) {
            Some(period) if period < least => {
                let reason = format!(
                    "Vault itself rotates role {name} every {} s, which is less than {PAIR_PERIODS_MIN} times the schedule's interval of {} s: \
                     set its rotation_period to {} s or more, so that only this rotation changes its password",
                    period.num_seconds(),
                    interval.num_seconds(),
                    least.num_seconds()
                );
                mistakes.add(field, reason);
            }
            Some(_) => {}
            None => {
                let reason = format!(
                    "Vault rotates role {name} by a schedule of its own: give it a rotation_period of {} s or more",
                    least.num_seconds()
                );
                mistakes.add(field, reason);
            }
        }
        databases.push(found.db_name);
    }
    databases.dedup();
    if let [first, second] = &databases[..] {
        mistakes.add(
            "spec.databasePair.roles",
            format!("they are of two databases, {first} and {second}: a pair is two users of one"),
        );
    }
    let (Kind::DatabasePair { verify: true, .. }, [name]) = (&spec.kind, &databases[..]) else { return Ok(()) };
    let Ok(name) = name.parse() else { return Ok(()) };
    for lacking in vault.lacking_for(&[Act::ReadConnection(secret.mount.clone(), name)]).await? {
        let reason = format!(
            "to try a login, the credentials by which the server writes there need {} on {}: add it to their policy, or set verify: None",
            lacking.capability, lacking.path
        );
        mistakes.add("spec.databasePair", reason);
    }
    Ok(())
}
