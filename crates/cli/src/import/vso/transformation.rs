//! `destination.transformation`: which keys, and which are made from others.

use std::collections::BTreeMap;

use crate::import::account::{Account, below};
use crate::import::go_template::{Root, Translated, translate};
use crate::import::items::{Items, Origin};

const FIELD: &str = "/spec/destination/transformation";
const RAW: &str = "the operator also writes `_raw`, Vault's whole answer as JSON, unless it is told not to: a `_raw` that is in the Secret stays as it is";

/// What the target has beside the items.
pub(super) struct Transformed {
    pub(super) templates: BTreeMap<String, Translated>,
    /// Whether the secret's own keys are delivered too.
    pub(super) beside: bool,
}

/// Which of the secret's keys are delivered.
enum Choice {
    All,
    None,
    These(Vec<String>),
}

/// Adds what is delivered of the secret to `items`. `more`: what the operator would write beside its keys.
pub(super) fn of(account: &mut Account, from: &Origin<'_>, items: &mut Items, more: Option<&str>) -> Result<Transformed, String> {
    let raw = format!("{FIELD}/excludeRaw");
    if account.flag(&raw) != Some(true) {
        account.left_out(&raw, RAW);
    }
    let references = format!("{FIELD}/transformationRefs");
    if account.count(&references) > 0 {
        account
            .left_out(&references, "a binding's templates are its own: write those of the SecretTransformation into `templates`");
    }
    let templates = templates(account);
    let choice = choose(account);
    if let (Choice::All, Some(more)) = (&choice, more) {
        account.left_out("/spec/path", more);
    }
    match &choice {
        Choice::These(keys) if templates.values().all(|made| made.keys.iter().all(|key| keys.contains(key))) => {
            for key in keys {
                items.add(from, key, key);
            }
        }
        Choice::These(_) => {
            let why = "templates name other keys, and see what the items deliver: all keys are delivered";
            account.left_out(&format!("{FIELD}/includes"), why);
            items.add_all(from);
        }
        Choice::All | Choice::None => items.add_all(from),
    }
    let beside = !matches!(choice, Choice::None);
    if !beside && templates.is_empty() {
        return Err("it excludes every key, and none of its templates has an equal here".to_owned());
    }
    Ok(Transformed { templates, beside })
}

fn templates(account: &mut Account) -> BTreeMap<String, Translated> {
    let field = format!("{FIELD}/templates");
    let names = account.names(&field);
    if names.is_empty() {
        account.not_needed(&field, "there are none");
    }
    let mut made = BTreeMap::new();
    for name in names {
        let at = below(&field, &name);
        account.not_needed(&format!("{at}/name"), "the key is the name");
        let Some(text) = account.text(&format!("{at}/text")) else {
            account.left_out(&at, "it has no text");
            continue;
        };
        match translate(&text, Root::Secrets) {
            Ok(translated) => drop(made.insert(name, translated)),
            Err(why) => account.left_out(&format!("{at}/text"), format!("its template has no equal: {why}")),
        }
    }
    made
}

/// Exclusions come first. A pattern that means one name is that name; others have no equal.
fn choose(account: &mut Account) -> Choice {
    let (includes, excludes) = (patterns(account, "includes"), patterns(account, "excludes"));
    let all = excludes.iter().any(|(_, pattern)| matches!(pattern.as_str(), ".*" | "^.*$"));
    if all {
        for (field, _) in includes.iter().chain(&excludes) {
            account.used(field);
        }
        return Choice::None;
    }
    let barred: Vec<&str> = excludes.iter().filter_map(|(_, pattern)| one_name(pattern)).collect();
    let names: Vec<Option<&str>> = includes.iter().map(|(_, pattern)| one_name(pattern)).collect();
    let closed = !names.is_empty() && names.iter().all(Option::is_some);
    for (field, pattern) in &excludes {
        if !(closed && one_name(pattern).is_some()) {
            account.left_out(field, "items name the keys to deliver, and not those to leave out: this key is delivered");
        }
    }
    if closed {
        let names = names.into_iter().flatten().filter(|name| !barred.contains(name));
        return Choice::These(names.map(str::to_owned).collect());
    }
    for (field, _) in &includes {
        account.left_out(field, "keys are not chosen by a pattern: all are delivered; name them in the item's `keys`");
    }
    Choice::All
}

/// The patterns of a list, each with its field.
fn patterns(account: &mut Account, name: &str) -> Vec<(String, String)> {
    let field = format!("{FIELD}/{name}");
    account.used(&field);
    let count = account.count(&field);
    let one = |i| {
        let field = format!("{field}/{i}");
        account.text(&field).map(|pattern| (field, pattern))
    };
    (0..count).filter_map(one).collect()
}

/// The one name that an anchored pattern matches. Without anchors it matches every name that it is a part of.
fn one_name(pattern: &str) -> Option<&str> {
    let name = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}
