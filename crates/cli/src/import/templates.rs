//! Translated templates in a binding.

use std::collections::BTreeMap;

use lockstep_api::binding::BindingSpec;

use super::go_template::{Root, Translated, translate};

/// Writes templates into `spec`; `keys` are those that its items deliver, if all are named, and `beside` says whether they are delivered too.
///
/// In the other tools a template has its key before an item has; here two that give the same key are a mistake. So the items' other keys
/// become templates too.
pub(super) fn write(spec: &mut BindingSpec, made: BTreeMap<String, Translated>, keys: Option<&[String]>, beside: bool) {
    if made.is_empty() {
        return;
    }
    let meets = keys.is_some_and(|keys| keys.iter().any(|key| made.contains_key(key)));
    spec.templates_only = !beside || meets;
    if beside && meets {
        for key in keys.into_iter().flatten().filter(|key| !made.contains_key(*key)) {
            let named = format!("{{{{ index . {} }}}}", serde_json::Value::from(key.as_str()));
            if let Ok(translated) = translate(&named, Root::Top) {
                spec.templates.insert(key.clone(), translated.text);
            }
        }
    }
    spec.templates.extend(made.into_iter().map(|(key, translated)| (key, translated.text)));
}
