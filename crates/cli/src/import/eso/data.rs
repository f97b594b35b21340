//! `data` and `dataFrom`: which keys of which secrets.

use serde_json::Value;

use super::store::{self, Found, Stores};
use crate::import::Wanted;
use crate::import::account::Account;
use crate::import::items::{Items, Origin};
use crate::import::object::Object;

/// What gjson reads as more than a name.
const QUERY: [char; 10] = ['#', '*', '?', '|', '@', '{', '}', '[', ']', '\\'];

/// Where an entry's secret is, which version of it, and how it is encoded.
struct Entry {
    found: Found,
    version: Option<u64>,
    base64: bool,
}

impl Entry {
    fn origin(&self) -> Origin<'_> {
        Origin { source: &self.found.source, place: &self.found.place, version: self.version, base64: self.base64 }
    }
}

/// `spec.data`: single keys.
pub(super) fn of_keys(account: &mut Account, items: &mut Items, object: &Object, stores: &Stores, wanted: &Wanted) {
    let count = account.count("/spec/data");
    let secret_key = |account: &Account, i: usize| account.look(&format!("/spec/data/{i}/secretKey")).cloned();
    for i in 0..count {
        let field = format!("/spec/data/{i}");
        if (i + 1..count).any(|later| secret_key(account, later) == secret_key(account, i)) {
            account.not_needed(&field, "a later entry gives the same key");
            continue;
        }
        if let Err(why) = of_key(account, items, &field, object, stores, wanted) {
            account.left_out(&field, why);
        }
    }
}

fn of_key(
    account: &mut Account,
    items: &mut Items,
    field: &str,
    object: &Object,
    stores: &Stores,
    wanted: &Wanted,
) -> Result<(), String> {
    let reference = format!("{field}/remoteRef");
    let property = account.text(&format!("{reference}/property")).filter(|property| !property.is_empty());
    let entry = entry(account, field, &reference, object, stores, wanted)?;
    let property =
        property.ok_or("without a property it is the whole secret as JSON: bind its keys, or write the JSON in a template")?;
    if property.contains(QUERY) {
        return Err(format!("{property:?} is a query into a value, and values are delivered whole"));
    }
    if property.contains('.') {
        let why = format!("taken for a key of that name, {property:?}: a part of a value is not delivered by itself");
        account.left_out(&format!("{reference}/property"), why);
    }
    let to = account.text(&format!("{field}/secretKey")).ok_or("it has no secretKey")?;
    items.add(&entry.origin(), &property, &to);
    Ok(())
}

/// `spec.dataFrom`: all keys of secrets.
pub(super) fn of_all(account: &mut Account, items: &mut Items, object: &Object, stores: &Stores, wanted: &Wanted) {
    for i in 0..account.count("/spec/dataFrom") {
        let field = format!("/spec/dataFrom/{i}");
        if let Err(why) = of_one(account, items, &field, object, stores, wanted) {
            account.left_out(&field, why);
        }
    }
}

fn of_one(
    account: &mut Account,
    items: &mut Items,
    field: &str,
    object: &Object,
    stores: &Stores,
    wanted: &Wanted,
) -> Result<(), String> {
    let has = |name: &str| account.look(&format!("{field}/{name}")).is_some();
    if has("find") {
        return Err("secrets are not found by a pattern or a tag: bind each by its path".to_owned());
    }
    if has("rewrite") {
        return Err("keys are not renamed by a pattern: name them in the item's `keys`".to_owned());
    }
    let reference = format!("{field}/extract");
    if account.look(&format!("{reference}/property")).is_some() {
        return Err("values are delivered whole: a part of one is not taken apart into keys".to_owned());
    }
    if account.look(&reference).is_none() && account.look(&format!("{field}/sourceRef/generatorRef")).is_none() {
        return Err("neither extract nor find".to_owned());
    }
    let entry = entry(account, field, &reference, object, stores, wanted)?;
    items.add_all(&entry.origin());
    Ok(())
}

fn entry(
    account: &mut Account,
    field: &str,
    reference: &str,
    object: &Object,
    stores: &Stores,
    wanted: &Wanted,
) -> Result<Entry, String> {
    if account.look(&format!("{field}/sourceRef/generatorRef")).is_some() {
        return Err("values are not generated on delivery: a Rotation with `generate` makes them in Vault".to_owned());
    }
    let own_store = format!("{field}/sourceRef/storeRef");
    let reference_to = if account.look(&own_store).is_some() { own_store.as_str() } else { "/spec/secretStoreRef" };
    let key = account.text(&format!("{reference}/key")).ok_or("it names no secret")?;
    let found = stores.locate(account, reference_to, object, &key, wanted)?;
    if reference_to == own_store {
        store::used(account, &own_store);
    }
    if let Some(assumed) = found.assumed {
        account.left_out(&format!("{reference}/key"), assumed);
    }
    let version = version(account, &format!("{reference}/version"));
    let base64 = decoding(account, &format!("{reference}/decodingStrategy"))?;
    expect(account, &format!("{reference}/metadataPolicy"), &["None"], "metadata of a secret is not delivered")?;
    let naming = "a name that a Secret cannot have as a key fails the delivery here: map it in the item's `keys`";
    let conversion = format!("{reference}/conversionStrategy");
    if account.look(&conversion).and_then(Value::as_str) == Some("Default") {
        account.not_needed(&conversion, naming);
    } else if account.look(&conversion).is_some() {
        account.left_out(&conversion, naming);
    }
    Ok(Entry { found, version, base64 })
}

/// A version to stay at.
fn version(account: &mut Account, field: &str) -> Option<u64> {
    account.look(field)?;
    let text = account.text(field).unwrap_or_default();
    let number = text.parse().ok();
    if number.is_none() && !text.is_empty() {
        account.left_out(field, "no number of a KV version: the newest is delivered");
    }
    number
}

/// Whether a value is base64 text that is delivered as what it stands for.
fn decoding(account: &mut Account, field: &str) -> Result<bool, String> {
    let strategy = account.text(field).unwrap_or_else(|| "None".to_owned());
    match strategy.as_str() {
        "None" => Ok(false),
        "Base64" => Ok(true),
        "Auto" => {
            let why = "whether a value is base64 is not guessed: delivered as it is; name keys that are in the item's `base64`";
            account.left_out(field, why);
            Ok(false)
        }
        other => Err(format!("decodingStrategy {other} has no equal")),
    }
}

/// Takes a field that has an equal only with these values.
fn expect(account: &mut Account, field: &str, values: &[&str], why: &str) -> Result<(), String> {
    match account.text(field) {
        Some(value) if !values.contains(&value.as_str()) => Err(why.to_owned()),
        _ => Ok(()),
    }
}
