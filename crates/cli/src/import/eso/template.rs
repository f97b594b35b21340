//! `target.template`: keys that are made from others.

use std::collections::BTreeMap;

use lockstep_api::binding::BindingSpec;

use crate::import::account::{Account, Line, below};
use crate::import::go_template::{Root, Translated, translate};
use crate::import::templates;

const FIELD: &str = "/spec/target/template";

/// Writes the templates into `spec`. `keys` are those that its items deliver, if all are named.
pub(super) fn apply(account: &mut Account, spec: &mut BindingSpec, keys: Option<&[String]>) -> Result<(), String> {
    let data = format!("{FIELD}/data");
    let names = account.names(&data);
    account.used(&data);
    let engine = account.text(&format!("{FIELD}/engineVersion"));
    let policy = account.text(&format!("{FIELD}/mergePolicy")).unwrap_or_else(|| "Replace".to_owned());
    let from = format!("{FIELD}/templateFrom");
    let has_others = account.count(&from) > 0;
    if has_others {
        account.left_out(&from, "a binding's templates are its own: write the text into `templates`");
    }
    if names.is_empty() {
        if has_others && policy == "Replace" {
            return Err("all its content comes from templateFrom: write the text into `templates`".to_owned());
        }
        return Ok(());
    }
    let oldest = account.look("/apiVersion").is_some_and(|version| version == "external-secrets.io/v1alpha1");
    if engine.as_deref() == Some("v1") || (engine.is_none() && oldest) {
        return Err("templates of engineVersion v1, which is what v1alpha1 means where none is said, are not read: make them v2"
            .to_owned());
    }
    let mut made: BTreeMap<String, Translated> = BTreeMap::new();
    for name in names {
        let at = below(&data, &name);
        let Some(text) = account.text(&at) else { continue };
        match translate(&text, Root::Top) {
            Ok(translated) => drop(made.insert(name, translated)),
            Err(why) => account.left_out(&at, format!("its template has no equal: {why}")),
        }
    }
    for (name, translated) in &made {
        let unknown = |key: &&String| keys.is_some_and(|keys| !keys.contains(key));
        if let Some(key) = translated.keys.iter().find(unknown) {
            account.left_out(&below(&data, name), format!("names {key:?}, which nothing delivers"));
        }
    }
    made.retain(|name, _| !account.is_left_out(&below(&data, name)));
    if policy == "Merge" && keys.is_none() {
        let why = "all keys are delivered beside the templates': one that both give fails the delivery, until the item's `keys` names the others";
        account.not_needed(&format!("{FIELD}/mergePolicy"), why);
    }
    if made.is_empty() && policy == "Replace" {
        return Err(none_left(account, &data));
    }
    templates::write(spec, made, keys, policy == "Merge");
    Ok(())
}

/// Why no template is left.
fn none_left(account: &Account, data: &str) -> String {
    let of_data = |line: &&Line| line.field.starts_with(&data[1..].replace('/', "."));
    let reasons: Vec<String> =
        account.clone().close().left_out.iter().filter(of_data).map(|line| format!("{}: {}", line.field, line.why)).collect();
    format!("it delivers only what templates make, and none is left: {}", reasons.join("; "))
}
