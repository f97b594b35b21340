//! What a class mounts into pods.

use std::collections::BTreeSet;

use lockstep_core::engine::Engine;
use serde_json::Value;

use super::super::Wanted;
use super::super::account::Account;
use super::super::made::Made;
use super::super::object::Object;
use super::super::vault_path::{CERTIFICATE, MOUNT_GUESSED, VaultPlace, of_api_path, of_credentials};
use super::contents::Contents;
use super::workload::Mounters;
use super::{Known, OBJECTS, PROVIDER, SECRETS, STORE};

const NOBODIES: &str = "it is mounted as a file, and whose pods may is not said: name their service accounts with --service-account, or give \
                        the workloads that mount the class with it";
const OBSERVED: &str = "it is mounted as a file, and there is nothing to compare a volume with: import it without --observe";
const LEASES: &str = "leases are not handed out: the static role of this name is read instead, and has to be there";
const ANSWER: &str = "without it the file was Vault's whole answer as JSON; now it is an object of the secret's keys, which the answer has \
                      in .data.data, or .data";
const ROLE_KEYS: &str = "of a static role username and password are delivered, and nothing else";

/// Whose pods may mount the class, or why nobody's.
pub(super) fn accounts(class: &Object, mounters: &Mounters, wanted: &Wanted) -> Result<BTreeSet<String>, &'static str> {
    if wanted.observe {
        return Err(OBSERVED);
    }
    let named = &wanted.service_accounts;
    let accounts = if named.is_empty() { mounters.of(class) } else { named.clone() };
    if accounts.is_empty() { Err(NOBODIES) } else { Ok(accounts) }
}

/// What no Secret has is not delivered. A class that is there for its Secrets alone loses nothing.
pub(super) fn leave_out(account: &mut Account, synced: &BTreeSet<String>, why: &str) {
    let mut is_whole = true;
    for i in 0..account.count(OBJECTS) {
        let field = format!("{OBJECTS}/{i}");
        let name = account.look(&format!("{field}/objectName")).and_then(Value::as_str);
        if !name.is_some_and(|name| synced.contains(name)) {
            account.left_out(&field, why);
            is_whole = false;
        }
    }
    if is_whole {
        let why = "its Secrets are delivered without it; with --service-account, and without --observe, its files are too";
        account.not_needed(PROVIDER, why);
    }
}

/// What a class reads without a key of it. Where one class of a namespace does, no other takes keys out of it: the two would be different
/// answers to the same path.
pub(super) fn whole(class: &Object) -> Vec<(String, VaultPlace)> {
    let objects = class.value.pointer(OBJECTS).and_then(Value::as_str).and_then(super::objects_in);
    let Some(Value::Array(objects)) = objects else { return Vec::new() };
    let is_whole = |object: &&Value| object["secretKey"].as_str().is_none_or(str::is_empty);
    let places = objects.iter().filter(is_whole).filter_map(|object| place_of(object["secretPath"].as_str()?).ok());
    places.map(|(place, _)| (class.namespace.clone(), place)).collect()
}

/// The bindings that give pods what the class names.
pub(super) fn of(
    class: &Object,
    account: &mut Account,
    accounts: &BTreeSet<String>,
    known: &Known,
    wanted: &Wanted,
) -> Vec<Made> {
    let mut contents = Contents::new(wanted.source_of(STORE));
    let mut has_all = true;
    for i in 0..account.count(OBJECTS) {
        let field = format!("{OBJECTS}/{i}");
        match mounted(account, &field) {
            Ok((place, key)) => {
                let is_whole = known.whole.contains(&(class.namespace.clone(), place.clone()));
                let name = account.look(&format!("{field}/objectName")).and_then(Value::as_str).unwrap_or_default();
                match key {
                    Some(key) if !is_whole => contents.add(&place, &key, name),
                    _ => contents.add_whole(place),
                }
            }
            Err(why) => {
                has_all = false;
                account.left_out(&field, why);
            }
        }
    }
    let next = next(account.count(SECRETS) > 0, has_all);
    let bindings = contents.into_bindings();
    let is_alone = bindings.len() == 1 && account.count(SECRETS) == 0;
    let made = bindings.into_iter().map(|(items, whole)| {
        let hint = match whole {
            _ if is_alone => class.name.clone(),
            None => format!("{}-volume", class.name),
            Some(place) => format!("{}-{}", class.name, place.path.rsplit('/').next().unwrap_or_default()),
        };
        Made::volume(class, &hint, wanted, items, accounts, &next)
    });
    made.collect()
}

/// What is left to do with the class.
fn next(has_secrets: bool, has_all: bool) -> String {
    let mut next = "the class stays, with `provider: lockstep` in place of `provider: vault`".to_owned();
    if has_secrets {
        next.push_str(", and without the secretObjects that other bindings deliver");
    }
    if !has_all {
        next.push_str(", and without the objects that are left out: with them it is not mounted");
    }
    next
}

/// Where an object is, and its key there. How its file is written stays in the class.
fn mounted(account: &mut Account, field: &str) -> Result<(VaultPlace, Option<String>), String> {
    let inner = |name: &str| format!("{field}/{name}");
    for name in ["objectName", "filePermission", "encoding"] {
        account.used(&inner(name));
    }
    let method = account.text(&inner("method"));
    if account.look(&inner("secretArgs")).is_some() || method.is_some_and(|method| !method.eq_ignore_ascii_case("GET")) {
        return Err(format!("a mount makes nothing in Vault (method, secretArgs); {CERTIFICATE}"));
    }
    let encoding = account.look(&inner("encoding")).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    if !["", "utf-8", "base64", "hex"].contains(&encoding.as_str()) {
        return Err(format!("encoding {encoding} is none of utf-8, base64, hex"));
    }
    let path = account.text(&inner("secretPath")).ok_or("it has no secretPath")?;
    let (place, note) = place_of(&path)?;
    if let Some(note) = note {
        account.left_out(&inner("secretPath"), note);
    }
    let key = account.text(&inner("secretKey"));
    if account.is_left_out(&inner("secretKey")) {
        return Err("its secretKey is no text: put it in quotes".to_owned());
    }
    let key = key.filter(|key| !key.is_empty());
    if key.is_none() {
        account.left_out(&inner("secretKey"), ANSWER);
    }
    let is_of_role = key.as_deref().is_none_or(|key| ["username", "password"].contains(&key));
    if place.engine == Engine::StaticRole && !is_of_role { Err(ROLE_KEYS.to_owned()) } else { Ok((place, key)) }
}

/// Of a path in Vault's API, with what is not as it was.
fn place_of(path: &str) -> Result<(VaultPlace, Option<&'static str>), String> {
    if let Some((_, state)) = path.split_once('?') {
        return Err(format!(
            "it asks for a state of its own with ?{state}: the item's `version` keeps one, and the class names the path alone"
        ));
    }
    if let Some(role) = of_credentials(path) {
        return Ok((role, Some(LEASES)));
    }
    of_api_path(path).map(|(place, is_guess)| (place, is_guess.then_some(MOUNT_GUESSED)))
}
