//! The Secrets Store CSI driver with Vault's provider: what it mounts into pods, and what it syncs into Secrets.

mod connection;
mod contents;
mod secrets;
mod volume;
mod workload;

use std::collections::BTreeSet;

use serde_json::Value;

use super::Wanted;
use super::account::Account;
use super::made::Made;
use super::object::Object;
use super::outcome::Outcome;
use super::vault_path::VaultPlace;
use workload::Mounters;

pub(super) use workload::mounts_classes;

const OBJECTS: &str = "/spec/parameters/objects";
const SECRETS: &str = "/spec/secretObjects";
const PROVIDER: &str = "/spec/provider";
/// What stands for the one Vault of a class.
const STORE: &str = "vault";

/// What all the objects of the input say together.
struct Known {
    mounters: Mounters,
    /// What a class reads without a key of it, with the class' namespace.
    whole: Vec<(String, VaultPlace)>,
    classes: BTreeSet<(String, String)>,
}

/// What becomes of each object.
pub(super) fn import(objects: &[Object], wanted: &Wanted) -> Vec<Outcome> {
    let classes = || objects.iter().filter(|object| object.kind == "SecretProviderClass");
    let known = Known {
        mounters: Mounters::find(objects),
        whole: classes().flat_map(volume::whole).collect(),
        classes: classes().map(|class| (class.namespace.clone(), class.name.clone())).collect(),
    };
    objects.iter().map(|object| import_one(object, &known, wanted)).collect()
}

fn import_one(object: &Object, known: &Known, wanted: &Wanted) -> Outcome {
    if mounts_classes(object) {
        return workload::outcome(object, &known.classes);
    }
    if object.kind != "SecretProviderClass" {
        return Outcome::not_mapped(object, "it has no equal");
    }
    let mut account = Account::new(object.value.clone());
    let made = provider_class(object, &mut account, known, wanted);
    Outcome::of(object, account, made)
}

fn provider_class(object: &Object, account: &mut Account, known: &Known, wanted: &Wanted) -> Result<Vec<Made>, String> {
    match account.text(PROVIDER).as_deref() {
        Some("vault") => {}
        Some("lockstep") => return Err("provider lockstep: it has moved already".to_owned()),
        Some(other) => return Err(format!("provider {other}: sources are Vault and OpenBao")),
        None => return Err("it names no provider".to_owned()),
    }
    open_objects(account)?;
    connection::account_for(account);
    let mut synced = BTreeSet::new();
    let mut made = secrets::of(object, account, &mut synced, wanted);
    match volume::accounts(object, &known.mounters, wanted) {
        Ok(accounts) => made.extend(volume::of(object, account, &accounts, known, wanted)),
        // One reason is enough where there is nothing else.
        Err(why) if account.count(SECRETS) == 0 => return Err(why.to_owned()),
        Err(why) => volume::leave_out(account, &synced, why),
    }
    if made.is_empty() { Err(nothing_left(account)) } else { Ok(made) }
}

/// Why nothing can be delivered.
fn nothing_left(account: &Account) -> String {
    let lines = account.clone().close().left_out;
    let is_asked = |field: &str| {
        (field.starts_with("spec.secretObjects") && field.contains(".data[")) || field.starts_with("spec.parameters.objects[")
    };
    let mut reasons: Vec<(String, &str)> = Vec::new();
    for line in lines.iter().filter(|line| is_asked(&line.field)) {
        match reasons.iter_mut().find(|(_, why)| *why == line.why) {
            Some((fields, _)) => fields.extend([", ", &line.field]),
            None => reasons.push((line.field.clone(), &line.why)),
        }
    }
    let reasons: Vec<String> = reasons.into_iter().map(|(fields, why)| format!("{fields}: {why}")).collect();
    if reasons.is_empty() { "it names no objects".to_owned() } else { reasons.join("; ") }
}

/// The objects are YAML in a text; from here on they are fields.
fn open_objects(account: &mut Account) -> Result<(), String> {
    let objects = objects_in(account.look(OBJECTS).and_then(Value::as_str).ok_or("it names no objects")?);
    account.replace(OBJECTS, objects.ok_or("its parameters.objects are no YAML")?);
    Ok(())
}

fn objects_in(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

#[cfg(test)]
mod tests;
