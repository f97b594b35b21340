//! Vault Secrets Operator.

mod destination;
mod transformation;

use std::collections::BTreeMap;

use lockstep_api::binding::{Restart, Workload};
use lockstep_api::selector::Selector;
use lockstep_core::engine::Engine;
use serde_json::Value;

use super::Wanted;
use super::account::Account;
use super::items::{Items, Origin};
use super::made::Made;
use super::object::Object;
use super::outcome::Outcome;
use super::vault_path::{CERTIFICATE, DYNAMIC, VaultPlace, trimmed};

/// From a `VaultAuth`, as `namespace/name`, to the connection it uses.
type Logins = BTreeMap<String, String>;

/// What becomes of each object.
pub(super) fn import(objects: &[Object], wanted: &Wanted) -> Vec<Outcome> {
    let connection = |auth: &Object| {
        let named = auth.value.pointer("/spec/vaultConnectionRef").and_then(Value::as_str)?;
        Some((format!("{}/{}", auth.namespace, auth.name), last_part(named).to_owned()))
    };
    let logins = objects.iter().filter(|object| object.kind == "VaultAuth").filter_map(connection).collect();
    objects.iter().map(|object| import_one(object, &logins, wanted)).collect()
}

fn import_one(object: &Object, logins: &Logins, wanted: &Wanted) -> Outcome {
    let mut account = Account::new(object.value.clone());
    let made = match object.kind.as_str() {
        "VaultStaticSecret" => kv(&mut account).and_then(|from| binding(object, &mut account, &from, logins, wanted)),
        "VaultDynamicSecret" => role(&mut account).and_then(|from| binding(object, &mut account, &from, logins, wanted)),
        "VaultConnection" => return place(object, account, "the address and CA of a source", wanted),
        "VaultAuth" | "VaultAuthGlobal" => {
            return place(object, account, "how to log in: the credential set that a source names", wanted);
        }
        kind => return Outcome::not_mapped(object, no_binding(kind)),
    };
    Outcome::of(object, account, made.map(|made| vec![made]))
}

fn no_binding(kind: &str) -> &'static str {
    match kind {
        "VaultPKISecret" => CERTIFICATE,
        "SecretTransformation" => "write its templates into the destination of each object that refers to it, and import that",
        "HCPAuth" | "HCPVaultSecretsApp" => "sources are Vault and OpenBao, not HCP Vault Secrets",
        "CSISecrets" => "write a binding with the target csi, and a SecretProviderClass with `provider: lockstep` that names it",
        _ => "it has no equal",
    }
}

/// An object that says where secrets are and how to log in there.
fn place(object: &Object, mut account: Account, what: &str, wanted: &Wanted) -> Outcome {
    account.not_needed("/spec", format!("{what}: an administrator registers it"));
    Outcome::read(object, format!("as a part of source {}", wanted.source_of(&object.name)), account)
}

/// What is delivered: one secret, of which version, and how it is restricted already.
struct Secret {
    place: VaultPlace,
    version: Option<u64>,
    /// Keys that the operator writes beside those that are delivered here.
    beside: Option<&'static str>,
}

fn kv(account: &mut Account) -> Result<Secret, String> {
    let kind = account.text("/spec/type").ok_or("it does not say its type, kv-v1 or kv-v2")?;
    let engine = match kind.as_str() {
        "kv-v1" => Engine::KvV1,
        "kv-v2" => Engine::KvV2,
        other => return Err(format!("type {other} is not known")),
    };
    let mount = account.text("/spec/mount").ok_or("it names no mount")?;
    let path = account.text("/spec/path").ok_or("it names no path")?;
    let version = account.look("/spec/version").and_then(Value::as_u64);
    match version {
        // The operator takes 0 for the newest.
        Some(_) => account.used("/spec/version"),
        None if account.look("/spec/version").is_some() => {
            account.left_out("/spec/version", "no number: the newest is delivered");
        }
        None => {}
    }
    for (field, why) in [
        ("/spec/refreshAfter", "a change is delivered when Vault has it, not after an interval"),
        ("/spec/syncConfig", "a change is delivered when Vault has it"),
        ("/spec/hmacSecretData", "drift is always looked for, by keyed digests"),
    ] {
        account.not_needed(field, why);
    }
    Ok(Secret { place: VaultPlace::new(&mount, &path, engine), version: version.filter(|v| *v > 0), beside: None })
}

const LEASE: &str = "a static role has no lease";
const ROLE_KEYS: &str =
    "of a static role username and password are delivered, and not ttl, rotation_period and last_vault_rotation";

fn role(account: &mut Account) -> Result<Secret, String> {
    let mount = account.text("/spec/mount").ok_or("it names no mount")?;
    let path = account.text("/spec/path").ok_or("it names no path")?;
    let Some(role) = trimmed(&path).strip_prefix("static-creds/") else {
        let issues = ["issue/", "sign/"].iter().any(|verb| trimmed(&path).starts_with(verb));
        return Err(if issues { CERTIFICATE } else { DYNAMIC }.to_owned());
    };
    account.not_needed("/spec/allowStaticCreds", "a static role is named as one");
    for field in ["/spec/renewalPercent", "/spec/revoke"] {
        account.not_needed(field, LEASE);
    }
    account.not_needed("/spec/refreshAfter", "a rotation is delivered when Vault has made it, not after an interval");
    if account.look("/spec/requestHTTPMethod").and_then(Value::as_str) == Some("GET") {
        account.used("/spec/requestHTTPMethod");
    }
    Ok(Secret { place: VaultPlace::new(&mount, role, Engine::StaticRole), version: None, beside: Some(ROLE_KEYS) })
}

fn binding(object: &Object, account: &mut Account, secret: &Secret, logins: &Logins, wanted: &Wanted) -> Result<Made, String> {
    let auth = account.text("/spec/vaultAuthRef").unwrap_or_else(|| "default".to_owned());
    let at = if auth.contains('/') { auth.clone() } else { format!("{}/{auth}", object.namespace) };
    let store = logins.get(&at).map_or(last_part(&auth), String::as_str);
    // Either may be named with --store-map.
    let source = wanted.stores.get(last_part(&auth)).cloned().unwrap_or_else(|| wanted.source_of(store));
    if account.look("/spec/namespace").is_some() {
        let why = format!("a source has one namespace of Vault: source {source} has to be of this one");
        account.left_out("/spec/namespace", why);
    }
    let target = destination::of(account)?;
    let from = Origin { source: &source, place: &secret.place, version: secret.version, base64: false };
    let mut items = Items::default();
    let transformed = transformation::of(account, &from, &mut items, secret.beside)?;
    let keys = items.keys();
    let mut made = Made::new(object, &object.name, wanted, items, target.secret);
    made.spec.deletion_policy = target.deletion_policy;
    made.spec.restart = restart(account);
    super::templates::write(&mut made.spec, transformed.templates, keys.as_deref(), transformed.beside);
    Ok(made)
}

fn restart(account: &mut Account) -> Option<Restart> {
    let list = "/spec/rolloutRestartTargets";
    let mut workloads = Vec::new();
    for i in 0..account.count(list) {
        let field = format!("{list}/{i}");
        let kind = account.text(&format!("{field}/kind")).unwrap_or_default();
        let name = account.text(&format!("{field}/name")).unwrap_or_default();
        if matches!(kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
            workloads.push(Workload { kind, name });
        } else {
            account.left_out(&field, format!("{kind} is not restarted: Deployments, StatefulSets and DaemonSets are"));
        }
    }
    if account.count(list) == 0 {
        account.not_needed(list, "it names none");
    }
    let selector: Option<Selector> = None;
    (!workloads.is_empty()).then(|| Restart { policy: "Selected".to_owned(), workloads, selector })
}

fn last_part(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}
