//! `destination`: as what, without its content.

use std::collections::BTreeMap;

use lockstep_api::binding::SecretTarget;
use lockstep_core::binding::refused_on_a_secret;

use crate::import::account::{Account, below};
use crate::import::made::bare_target;

const FIELD: &str = "/spec/destination";

/// What a binding says of its target.
pub(super) struct Target {
    pub(super) secret: SecretTarget,
    pub(super) deletion_policy: Option<String>,
}

pub(super) fn of(account: &mut Account) -> Result<Target, String> {
    let name = account.text(&format!("{FIELD}/name")).ok_or("its destination has no name")?;
    let create = account.flag(&format!("{FIELD}/create")).unwrap_or(false);
    account.not_needed(&format!("{FIELD}/overwrite"), "`adopt` takes over what is there");
    let secret = SecretTarget {
        name,
        secret_type: account.text(&format!("{FIELD}/type")),
        labels: metadata(account, &format!("{FIELD}/labels")),
        annotations: metadata(account, &format!("{FIELD}/annotations")),
        ..bare_target()
    };
    // A Secret that the operator made goes with the object.
    let deletion_policy = if create { "Delete" } else { "Retain" };
    Ok(Target { secret, deletion_policy: Some(deletion_policy.to_owned()) })
}

fn metadata(account: &mut Account, field: &str) -> BTreeMap<String, String> {
    let mut found = account.texts(field);
    found.retain(|key, _| match refused_on_a_secret(key) {
        None => true,
        Some(why) => {
            account.left_out(&below(field, key), why);
            false
        }
    });
    found
}
