//! What a class syncs into Secrets.

use std::collections::BTreeSet;

use lockstep_api::binding::SecretTarget;
use serde_json::Value;

use super::super::Wanted;
use super::super::account::Account;
use super::super::items::{Items, Origin};
use super::super::made::{Made, bare_target};
use super::super::object::Object;
use super::super::vault_path::{MOUNT_GUESSED, VaultPlace, of_api_path};
use super::{OBJECTS, SECRETS, STORE};

/// A binding of each Secret. `synced`: by their names, the objects that are in one.
pub(super) fn of(object: &Object, account: &mut Account, synced: &mut BTreeSet<String>, wanted: &Wanted) -> Vec<Made> {
    let mut made = Vec::new();
    for i in 0..account.count(SECRETS) {
        let field = format!("{SECRETS}/{i}");
        match secret(object, account, &field, synced, wanted) {
            Ok(binding) => made.push(binding),
            Err(why) => account.left_out(&field, why),
        }
    }
    made
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
        match vault_object(account, &format!("{OBJECTS}/{index}")) {
            Ok((place, key, base64)) => {
                items.add(&Origin { source: &source, place: &place, version: None, base64 }, &key, &to);
                synced.insert(object_name);
            }
            Err(why) => account.left_out(&entry, why),
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
