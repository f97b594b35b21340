//! `target`: as what, and what becomes of it.

use std::collections::BTreeMap;

use lockstep_api::binding::SecretTarget;
use lockstep_core::binding::refused_on_a_secret;

use crate::import::account::{Account, below};
use crate::import::made::bare_target;
use crate::import::object::Object;

const FIELD: &str = "/spec/target";

/// What a binding says of its target.
pub(super) struct Target {
    pub(super) secret: SecretTarget,
    pub(super) deletion_policy: Option<String>,
    pub(super) source_deletion_policy: Option<String>,
}

/// The Secret, with labels and annotations. Its content is another matter.
pub(super) fn of(account: &mut Account, object: &Object) -> Result<Target, String> {
    if account.look(&format!("{FIELD}/manifest")).is_some() {
        return Err("it makes something else than a Secret".to_owned());
    }
    let name = account.text(&format!("{FIELD}/name")).unwrap_or_else(|| object.name.clone());
    if account.flag(&format!("{FIELD}/immutable")) == Some(true) {
        let why =
            "an immutable Secret never gets new content; `immutable` here makes a Secret for each content, under another name";
        account.left_out(&format!("{FIELD}/immutable"), why);
    }
    let deletion_policy = creation(account)?;
    let source_deletion_policy = deletion(account);
    let secret_type = account.text(&format!("{FIELD}/template/type"));
    let has_template = account.look(&format!("{FIELD}/template")).is_some();
    // Without a template the operator copies its own object's.
    let from = if has_template { format!("{FIELD}/template/metadata") } else { "/metadata".to_owned() };
    let labels = metadata(account, &format!("{from}/labels"));
    let annotations = metadata(account, &format!("{from}/annotations"));
    if has_template {
        let finalizers = format!("{from}/finalizers");
        if account.count(&finalizers) > 0 {
            account.left_out(&finalizers, "Secrets get no finalizers");
        } else {
            account.not_needed(&finalizers, "there are none");
        }
    }
    let secret = SecretTarget { name, secret_type, labels, annotations, ..bare_target() };
    Ok(Target { secret, deletion_policy, source_deletion_policy })
}

fn creation(account: &mut Account) -> Result<Option<String>, String> {
    let field = format!("{FIELD}/creationPolicy");
    let policy = account.text(&field).unwrap_or_else(|| "Owner".to_owned());
    match policy.as_str() {
        // The Secret goes with the object that made it.
        "Owner" => Ok(Some("Delete".to_owned())),
        "Orphan" => Ok(Some("Retain".to_owned())),
        "Merge" | "CreateOrMerge" => {
            account.not_needed(&field, "keys are written beside those of others; the Secret is made if it is not there");
            Ok(Some("Retain".to_owned()))
        }
        "None" => Err("creationPolicy None makes no Secret".to_owned()),
        other => Err(format!("creationPolicy {other} is not known")),
    }
}

fn deletion(account: &mut Account) -> Option<String> {
    let field = format!("{FIELD}/deletionPolicy");
    match account.text(&field)?.as_str() {
        "Retain" => Some("Retain".to_owned()),
        "Delete" => {
            account.not_needed(&field, "a secret's keys go when it is gone in Vault, and the Secret with the last of them");
            Some("Delete".to_owned())
        }
        "Merge" => {
            account.left_out(&field, "with the last key the Secret goes too, where nobody else has keys in it");
            Some("Delete".to_owned())
        }
        _ => {
            account.left_out(&field, "not known: content is kept");
            None
        }
    }
}

/// Labels or annotations of the Secret, without those that a Secret of Lockstep's must not have.
fn metadata(account: &mut Account, field: &str) -> BTreeMap<String, String> {
    let mut found = account.texts(field);
    let is_copied = !field.starts_with(FIELD);
    found.retain(|key, value| {
        let at = below(field, key);
        if key == "kubectl.kubernetes.io/last-applied-configuration" {
            account.not_needed(&at, "kubectl's own note of the object");
            return false;
        }
        if let Some(why) = refused_on_a_secret(key) {
            if is_copied {
                account.not_needed(&at, "of the object itself, and not meant for the Secret");
            } else {
                account.left_out(&at, why);
            }
            return false;
        }
        if value.contains("{{") {
            account.left_out(&at, "labels and annotations are no templates");
            return false;
        }
        true
    });
    found
}
