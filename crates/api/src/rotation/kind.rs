//! What is rotated, and how.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::binding::{SecretPattern, SecretRef};
use lockstep_core::duration;
use lockstep_core::engine::{self, Engine};
use lockstep_core::kv::{CLUSTER, PathPattern};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::recipe::Recipe as CheckedRecipe;
use lockstep_core::rotation::{CertificateRequest, DEFAULT_OVERLAP, KEYS_MAX, Kind};
use serde::{Deserialize, Serialize};

use super::recipe::{self, Recipe};
use super::{RotationSpec, checked_duration};
use crate::field::Mistakes;

/// The longest name that is asked of a PKI engine, in bytes: a DNS name's limit.
const NAME_MAX_BYTES: usize = 253;
/// The most further names of a certificate.
const ALT_NAMES_MAX: usize = 64;

/// New values of some keys of a KV v2 secret. The other keys are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Generate {
    /// A source's name.
    pub source: String,
    /// The KV v2 engine's mount.
    pub mount: String,
    /// The path below it.
    pub path: String,
    /// From each key to how its value is made.
    pub keys: BTreeMap<String, Recipe>,
}

/// A new password of a database's static role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabaseStatic {
    /// A source's name.
    pub source: String,
    /// The database engine's mount.
    pub mount: String,
    /// The static role.
    pub role: String,
}

/// New passwords of two static roles in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabasePair {
    /// A source's name.
    pub source: String,
    /// The database engine's mount.
    pub mount: String,
    /// Two static roles, in the order in which bindings name them.
    pub roles: Vec<String>,
    /// How long both work after the last cluster has confirmed; `10m` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_overlap: Option<String>,
    /// Whether a login with the new password is tried before any cluster gets it: `Login` (default), from the server to the database;
    /// `None`, where the server cannot reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
}

/// A new certificate, kept in a KV v2 secret as `tls.crt`, `tls.key` and `ca.crt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pki {
    /// A source's name.
    pub source: String,
    /// The PKI engine's mount.
    pub mount: String,
    /// The PKI engine's role.
    pub role: String,
    /// The certificate's common name. In it, in the other names and in the path, `{cluster}` is the cluster's name: then each cluster has its own
    /// certificate.
    pub common_name: String,
    /// Further DNS names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alt_names: Vec<String>,
    /// URIs, such as a SPIFFE ID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// How long it lives, such as `30d`; as the role says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// After how much of its life, in percent, the next certificate is due: 10 to 90, and 66 if absent. Instead of `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at_percent: Option<u8>,
    /// Where certificate and key are kept.
    pub into: KvSecret,
}

/// A KV v2 secret of the same source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KvSecret {
    /// The KV v2 engine's mount.
    pub mount: String,
    /// The path below it.
    pub path: String,
}

pub(super) fn check(wire: &RotationSpec, mistakes: &mut Mistakes) -> Option<Kind> {
    match (&wire.generate, &wire.database_static, &wire.database_pair, &wire.pki) {
        (Some(generate), None, None, None) => check_generate(generate, mistakes),
        (None, Some(database), None, None) => {
            let role = role("spec.databaseStatic.role", &database.role, mistakes);
            let secret = secret("spec.databaseStatic", &database.source, Engine::StaticRole, &database.mount, role, mistakes)?;
            Some(Kind::DatabaseStatic { secret })
        }
        (None, None, Some(pair), None) => check_pair(pair, mistakes),
        (None, None, None, Some(pki)) => check_pki(pki, mistakes),
        _ => {
            mistakes.add("spec", "exactly one of generate, databaseStatic, databasePair and pki is needed");
            None
        }
    }
}

fn secret(
    field: &str,
    source: &str,
    engine: Engine,
    mount: &str,
    path: Option<KvPath>,
    mistakes: &mut Mistakes,
) -> Option<SecretRef> {
    let source = mistakes.parse(format!("{field}.source"), source);
    let mount: Option<KvMount> = mistakes.parse(format!("{field}.mount"), mount);
    Some(SecretRef { source: source?, engine, mount: mount?, path: path? })
}

fn role(field: &str, name: &str, mistakes: &mut Mistakes) -> Option<KvPath> {
    let role: KvPath = mistakes.parse(field, name)?;
    if !engine::is_role_name(&role) {
        mistakes.add(field, "a role's name has neither ',' nor '/'");
        return None;
    }
    Some(role)
}

fn check_generate(wire: &Generate, mistakes: &mut Mistakes) -> Option<Kind> {
    let field = "spec.generate";
    let path = mistakes.parse(format!("{field}.path"), &wire.path);
    let secret = secret(field, &wire.source, Engine::KvV2, &wire.mount, path, mistakes);
    mistakes.count(&format!("{field}.keys"), wire.keys.len(), KEYS_MAX);
    let mut keys = BTreeMap::new();
    for (key, recipe) in &wire.keys {
        if let Some(recipe) = recipe::check(recipe, &format!("{field}.keys[{key}]"), mistakes) {
            keys.insert(key.clone(), recipe);
        }
    }
    let mut written: BTreeSet<&str> = BTreeSet::new();
    for name in wire.keys.keys().map(String::as_str).chain(keys.values().filter_map(CheckedRecipe::public_key)) {
        if name.is_empty() || !written.insert(name) {
            mistakes.add(format!("{field}.keys"), format!("{name:?} is to get two values, or is no name"));
        }
    }
    (keys.len() == wire.keys.len()).then_some(Kind::Generate { secret: secret?, keys })
}

fn check_pair(wire: &DatabasePair, mistakes: &mut Mistakes) -> Option<Kind> {
    let field = "spec.databasePair";
    let overlap = checked_duration("spec.databasePair.minOverlap", wire.min_overlap.as_deref(), mistakes);
    let verify = match wire.verify.as_deref() {
        None | Some("Login") => Some(true),
        Some("None") => Some(false),
        Some(other) => {
            mistakes.add(format!("{field}.verify"), format!("{other:?} is none of Login, None"));
            None
        }
    };
    let roles: Vec<_> =
        wire.roles.iter().enumerate().map(|(i, name)| role(&format!("{field}.roles[{i}]"), name, mistakes)).collect();
    let path = match &roles[..] {
        [Some(first), Some(second)] => {
            let pair = engine::pair(first, second);
            if pair.is_none() {
                mistakes.add(format!("{field}.roles"), "both are the same role: a pair is two");
            }
            pair
        }
        [_, _] => None,
        _ => {
            mistakes.add(format!("{field}.roles"), "exactly two roles are needed");
            None
        }
    };
    let secret = secret(field, &wire.source, Engine::RolePair, &wire.mount, path, mistakes);
    Some(Kind::DatabasePair { secret: secret?, min_overlap: overlap?.unwrap_or(DEFAULT_OVERLAP), verify: verify? })
}

fn check_pki(wire: &Pki, mistakes: &mut Mistakes) -> Option<Kind> {
    let field = "spec.pki";
    let into = check_into(wire, mistakes);
    let mount = mistakes.parse(format!("{field}.mount"), &wire.mount);
    let role = role("spec.pki.role", &wire.role, mistakes);
    let ttl = checked_duration("spec.pki.ttl", wire.ttl.as_deref(), mistakes);
    for (list, names) in [("altNames", &wire.alt_names), ("uris", &wire.uris)] {
        if !names.is_empty() {
            mistakes.count(&format!("spec.pki.{list}"), names.len(), ALT_NAMES_MAX);
        }
    }
    for (field, name) in names(wire) {
        if name.is_empty() || name.len() > NAME_MAX_BYTES || name.contains([',', ' ']) {
            mistakes.add(
                format!("spec.pki.{field}"),
                format!("{name:?} is not a name of 1 to {NAME_MAX_BYTES} bytes without commas and spaces"),
            );
        }
    }
    let certificate = CertificateRequest {
        mount: mount?,
        role: role?,
        common_name: wire.common_name.clone(),
        alt_names: wire.alt_names.clone(),
        uris: wire.uris.clone(),
        ttl: ttl?,
    };
    Some(match into? {
        KeptIn::One(secret) => Kind::Pki { secret, certificate },
        KeptIn::Own(secrets) => Kind::PkiPerCluster { secrets, certificate },
    })
}

/// The names of a certificate, each with its field.
fn names(wire: &Pki) -> impl Iterator<Item = (&'static str, &String)> {
    let more = wire.alt_names.iter().map(|name| ("altNames", name)).chain(wire.uris.iter().map(|name| ("uris", name)));
    std::iter::once(("commonName", &wire.common_name)).chain(more)
}

/// Where certificates are kept.
enum KeptIn {
    One(SecretRef),
    Own(SecretPattern),
}

/// One secret for all clusters, or one for each, and names that go with that.
fn check_into(wire: &Pki, mistakes: &mut Mistakes) -> Option<KeptIn> {
    let (field, into) = ("spec.pki", "spec.pki.into");
    let is_own = wire.into.path.contains(CLUSTER);
    for (name, text) in names(wire) {
        if text.contains(CLUSTER) && !is_own {
            let reason = format!(
                "{text:?} differs between clusters, so each needs a secret of its own: put {CLUSTER} into spec.pki.into.path too"
            );
            mistakes.add(format!("{field}.{name}"), reason);
        } else if text.replace(CLUSTER, "").contains(['{', '}']) {
            mistakes.add(format!("{field}.{name}"), format!("{text:?}: {CLUSTER} is all that is replaced in names"));
        }
    }
    if !is_own {
        let path = mistakes.parse(format!("{into}.path"), &wire.into.path);
        return secret(field, &wire.source, Engine::KvV2, &wire.into.mount, path, mistakes).map(KeptIn::One);
    }
    let path: Option<PathPattern> = mistakes.parse(format!("{into}.path"), &wire.into.path);
    let source = mistakes.parse(format!("{field}.source"), &wire.source);
    let mount = mistakes.parse(format!("{into}.mount"), &wire.into.mount);
    Some(KeptIn::Own(SecretPattern { source: source?, engine: Engine::KvV2, mount: mount?, path: path? }))
}

/// Puts the kind into a manifest's spec, as it was written.
pub(super) fn show(kind: &Kind, wire: &mut RotationSpec) {
    let (mount, path) = match kind {
        Kind::PkiPerCluster { secrets, .. } => (secrets.mount.to_string(), secrets.path.to_string()),
        Kind::Generate { secret, .. }
        | Kind::DatabaseStatic { secret }
        | Kind::DatabasePair { secret, .. }
        | Kind::Pki { secret, .. } => (secret.mount.to_string(), secret.path.to_string()),
    };
    let source = kind.source().to_string();
    match kind {
        Kind::Generate { keys, .. } => {
            let keys = keys.iter().map(|(key, recipe)| (key.clone(), recipe.into())).collect();
            wire.generate = Some(Generate { source, mount, path, keys });
        }
        Kind::DatabaseStatic { .. } => wire.database_static = Some(DatabaseStatic { source, mount, role: path }),
        Kind::DatabasePair { min_overlap, verify, .. } => {
            let roles = path.split(',').map(str::to_owned).collect();
            wire.database_pair = Some(DatabasePair {
                source,
                mount,
                roles,
                min_overlap: Some(duration::print(*min_overlap)),
                verify: (!verify).then(|| "None".to_owned()),
            });
        }
        Kind::Pki { certificate, .. } | Kind::PkiPerCluster { certificate, .. } => {
            let CertificateRequest { mount: engine, role, common_name, alt_names, uris, ttl } = certificate;
            wire.pki = Some(Pki {
                source,
                mount: engine.to_string(),
                role: role.to_string(),
                common_name: common_name.clone(),
                alt_names: alt_names.clone(),
                uris: uris.clone(),
                ttl: ttl.map(duration::print),
                renew_at_percent: None,
                into: KvSecret { mount, path },
            });
        }
    }
}
