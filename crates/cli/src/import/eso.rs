//! External Secrets Operator.

mod data;
mod store;
mod target;
mod template;

use super::Wanted;
use super::account::Account;
use super::items::Items;
use super::made::Made;
use super::object::Object;
use super::outcome::Outcome;
use super::vault_path::DYNAMIC;
use store::Stores;

/// What becomes of each object.
pub(super) fn import(objects: &[Object], wanted: &Wanted) -> Vec<Outcome> {
    let stores = Stores::find(objects);
    objects.iter().map(|object| import_one(object, &stores, wanted)).collect()
}

fn import_one(object: &Object, stores: &Stores, wanted: &Wanted) -> Outcome {
    match object.kind.as_str() {
        "ExternalSecret" => {
            let mut account = Account::new(object.value.clone());
            let made = external_secret(object, &mut account, stores, wanted);
            Outcome::of(object, account, made.map(|made| vec![made]))
        }
        "SecretStore" | "ClusterSecretStore" => store::outcome(object, wanted),
        kind => Outcome::not_mapped(object, no_binding(kind)),
    }
}

/// Why objects of other kinds are no bindings.
fn no_binding(kind: &str) -> &'static str {
    match kind {
        "ClusterExternalSecret" => {
            "write its externalSecretSpec as an ExternalSecret and import that; then put its namespaces into target.secret.namespaces, or its selector into namespaceSelector"
        }
        "PushSecret" | "ClusterPushSecret" => {
            "Lockstep does not write what clusters hold into Vault: a Rotation with `generate` makes new values there"
        }
        "Password" | "UUID" | "SSHKey" => {
            "values are made at the source: write a Rotation with `generate`, and bind the secret that it writes"
        }
        "VaultDynamicSecret" => DYNAMIC,
        _ => "generators and other sources than a Vault's KV engine and static roles have no equal",
    }
}

fn external_secret(object: &Object, account: &mut Account, stores: &Stores, wanted: &Wanted) -> Result<Made, String> {
    const PUSHED: &str = "a change is delivered when Vault has it, not after an interval";
    account.not_needed("/spec/refreshInterval", PUSHED);
    match account.look("/spec/refreshPolicy").and_then(serde_json::Value::as_str) {
        None | Some("Periodic") => account.not_needed("/spec/refreshPolicy", PUSHED),
        Some(_) => account.left_out("/spec/refreshPolicy", "a binding follows its secret always; `version` of an item pins it"),
    }
    let windows = "when a refresh is allowed has no equal: a change is delivered when Vault has it";
    if account.look("/spec/syncWindows").is_some() {
        account.left_out("/spec/syncWindows", windows);
    }
    let mut items = Items::default();
    data::of_keys(account, &mut items, object, stores, wanted);
    data::of_all(account, &mut items, object, stores, wanted);
    // Whatever is wrong with it is said of each entry that needs it.
    store::used(account, "/spec/secretStoreRef");
    if items.is_empty() {
        return Err(nothing_left(account));
    }
    let keys = items.keys();
    let target = target::of(account, object)?;
    let mut made = Made::new(object, &object.name, wanted, items, target.secret);
    made.spec.deletion_policy = target.deletion_policy;
    made.spec.source_deletion_policy = target.source_deletion_policy;
    template::apply(account, &mut made.spec, keys.as_deref())?;
    Ok(made)
}

/// Why there is nothing to deliver.
fn nothing_left(account: &Account) -> String {
    let lines = account.clone().close().left_out;
    let of_data = lines.iter().filter(|line| line.field.starts_with("spec.data"));
    let reasons: Vec<String> = of_data.map(|line| format!("{}: {}", line.field, line.why)).collect();
    if reasons.is_empty() { "it names no data".to_owned() } else { reasons.join("; ") }
}
