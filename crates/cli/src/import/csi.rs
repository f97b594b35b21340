//! The Secrets Store CSI driver with Vault's provider: what it syncs into Secrets.

use std::collections::BTreeSet;

use lockstep_api::binding::SecretTarget;
use serde_json::Value;

use super::Wanted;
use super::account::{Account, below};
use super::items::{Items, Origin};
use super::made::{Made, bare_target};
use super::object::Object;
use super::outcome::Outcome;
use super::vault_path::{MOUNT_GUESSED, VaultPlace, of_api_path};

const OBJECTS: &str = "/spec/parameters/objects";
const SECRETS: &str = "/spec/secretObjects";
const NO_VOLUMES: &str = "it is only mounted as a file, and CSI volumes are not there yet";
const STORE: &str = "vault";

/// What becomes of each object.
pub(super) fn import(objects: &[Object], wanted: &Wanted) -> Vec<Outcome> {
    objects.iter().map(|object| import_one(object, wanted)).collect()
}

fn import_one(object: &Object, wanted: &Wanted) -> Outcome {
    if object.kind != "SecretProviderClass" {
        return Outcome::not_mapped(object, "it has no equal");
    }
    let mut account = Account::new(object.value.clone());
    let made = provider_class(object, &mut account, wanted);
    Outcome::of(object, account, made)
}

fn provider_class(object: &Object, account: &mut Account, wanted: &Wanted) -> Result<Vec<Made>, String> {
    match account.text("/spec/provider").as_deref() {
        Some("vault") => {}
        Some(other) => return Err(format!("provider {other}: sources are Vault and OpenBao")),
        None => return Err("it names no provider".to_owned()),
    }
    if account.count(SECRETS) == 0 {
        return Err(format!("{NO_VOLUMES}: it syncs nothing into a Secret (secretObjects)"));
    }
    open_objects(account)?;
    connection(account);
    let mut synced = BTreeSet::new();
    let mut made = Vec::new();
    for i in 0..account.count(SECRETS) {
        let field = format!("{SECRETS}/{i}");
        match secret(object, account, &field, &mut synced, wanted) {
            Ok(binding) => made.push(binding),
            Err(why) => account.left_out(&field, why),
        }
    }
    for i in 0..account.count(OBJECTS) {
        let name = account.look(&format!("{OBJECTS}/{i}/objectName")).and_then(Value::as_str);
        if !name.is_some_and(|name| synced.contains(name)) {
            account.left_out(&format!("{OBJECTS}/{i}"), NO_VOLUMES);
        }
    }
    if made.is_empty() {
        return Err(nothing_left(account));
    }
    Ok(made)
}

/// Why nothing can be delivered.
fn nothing_left(account: &Account) -> String {
    let lines = account.clone().close().left_out;
    let asked = lines.iter().filter(|line| line.field.starts_with("spec.secretObjects") && line.field.contains(".data["));
    let reasons: Vec<String> = asked.map(|line| format!("{}: {}", line.field, line.why)).collect();
    if reasons.is_empty() { "its secretObjects name no data".to_owned() } else { reasons.join("; ") }
}

/// The objects are YAML in a text; from here on they are fields.
fn open_objects(account: &mut Account) -> Result<(), String> {
    let text = account.look(OBJECTS).and_then(Value::as_str).ok_or("it names no objects")?;
    let objects: Value = serde_saphyr::from_str(text).map_err(|_| "its parameters.objects are no YAML")?;
    account.replace(OBJECTS, objects);
    Ok(())
}

fn connection(account: &mut Account) {
    for name in account.names("/spec/parameters") {
        let why = match name.as_str() {
            "vaultAddress"
            | "vaultNamespace"
            | "vaultCAPem"
            | "vaultCACertPath"
            | "vaultCADirectory"
            | "vaultTLSServerName"
            | "vaultTLSClientCertPath"
            | "vaultTLSClientKeyPath"
            | "vaultSkipTLSVerify" => "the source says it",
            "roleName" | "audience" | "vaultKubernetesMountPath" | "vaultAuthMountPath" => {
                "the server logs in, with a credential set that the source names"
            }
            _ => continue,
        };
        account.not_needed(&below("/spec/parameters", &name), why);
    }
}

fn secret(
    object: &Object,
    account: &mut Account,
    field: &str,
    synced: &mut BTreeSet<String>,
    wanted: &Wanted,
) -> Result<Made, String> {
    let name = account.text(&format!("{field}/secretName")).ok_or("it has no secretName")?;
    let source = wanted.source_of(STORE);
    let mut items = Items::default();
    for i in 0..account.count(&format!("{field}/data")) {
        let entry = format!("{field}/data/{i}");
        let Some(object_name) = account.text(&format!("{entry}/objectName")) else { continue };
        let Some(to) = account.text(&format!("{entry}/key")) else { continue };
        let is_it = |i: &usize| account.look(&format!("{OBJECTS}/{i}/objectName")) == Some(&Value::from(object_name.as_str()));
        let Some(index) = (0..account.count(OBJECTS)).find(is_it) else {
            account.left_out(&entry, format!("there is no object {object_name:?}"));
            continue;
        };
        let from = format!("{OBJECTS}/{index}");
        synced.insert(object_name);
        match vault_object(account, &from) {
            Ok((place, key, base64)) => {
                items.add(&Origin { source: &source, place: &place, version: None, base64 }, &key, &to);
            }
            Err(why) => {
                account.left_out(&from, "the Secret that it is for does not get it");
                account.left_out(&entry, why);
            }
        }
    }
    if items.is_empty() {
        return Err(format!("nothing of Secret {name} can be delivered"));
    }
    let target = SecretTarget {
        name: name.clone(),
        secret_type: account.text(&format!("{field}/type")),
        labels: account.texts(&format!("{field}/labels")),
        annotations: account.texts(&format!("{field}/annotations")),
        ..bare_target()
    };
    let hint = if account.count(SECRETS) == 1 { &object.name } else { &name };
    Ok(Made::new(object, hint, wanted, items, target))
}

/// Where an object is, its key there, and whether that is base64.
fn vault_object(account: &mut Account, field: &str) -> Result<(VaultPlace, String, bool), String> {
    account.used(&format!("{field}/objectName"));
    account.not_needed(&format!("{field}/filePermission"), "a Secret has no modes: those of a volume are in the pod");
    if account.look(&format!("{field}/secretArgs")).is_some() {
        return Err("it is asked for with arguments (secretArgs)".to_owned());
    }
    let method = account.text(&format!("{field}/method")).unwrap_or_else(|| "GET".to_owned());
    let path = account.text(&format!("{field}/secretPath")).ok_or("its object has no secretPath")?;
    let (place, guessed) = of_api_path(&path)?;
    if method != "GET" {
        return Err(format!("it is asked for with {method}: secrets are read"));
    }
    if guessed {
        account.left_out(&format!("{field}/secretPath"), MOUNT_GUESSED);
    }
    let key = account.text(&format!("{field}/secretKey"));
    let key = key.ok_or("without a secretKey it is Vault's whole answer as JSON: bind single keys")?;
    let encoding = account.text(&format!("{field}/encoding")).unwrap_or_default().to_lowercase();
    match encoding.as_str() {
        "" | "utf-8" => Ok((place, key, false)),
        "base64" => Ok((place, key, true)),
        other => Err(format!("encoding {other} is not taken apart: keep the value as base64")),
    }
}
