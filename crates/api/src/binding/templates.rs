//! Templates: what can be seen of them before any secret is read.

use std::collections::BTreeSet;

use lockstep_core::binding::{TEMPLATE_MAX_BYTES, TEMPLATES_MAX};
use lockstep_core::render::is_content_key;
use lockstep_core::template::check_syntax;

use super::BindingSpec;
use crate::field::Mistakes;

/// Notes mistakes in names, sizes and syntax, and keys that an item gives too.
pub(super) fn check(wire: &BindingSpec, mistakes: &mut Mistakes) {
    if wire.templates_only && wire.templates.is_empty() {
        mistakes.add("spec.templatesOnly", "there are no templates, so nothing would be delivered: write some, or leave it out");
    }
    if wire.templates.len() > TEMPLATES_MAX {
        mistakes.count("spec.templates", wire.templates.len(), TEMPLATES_MAX);
    }
    let of_items: BTreeSet<&String> = wire.items.iter().flat_map(|item| item.keys.values()).collect();
    for (key, text) in &wire.templates {
        let field = format!("spec.templates.{key}");
        if !is_content_key(key) {
            let reason = format!("{key:?} can be neither a file nor a Secret key: use letters, digits, '-', '_' and '.'");
            mistakes.add(&field, reason);
        }
        if !wire.templates_only && of_items.contains(key) {
            mistakes.add(&field, "an item gives this key too: rename one of them, or set templatesOnly");
        }
        if text.len() > TEMPLATE_MAX_BYTES {
            mistakes.add(&field, format!("{} bytes are more than the {TEMPLATE_MAX_BYTES} allowed: split it", text.len()));
        } else if let Err(error) = check_syntax(text) {
            mistakes.add(&field, format!("{error}: correct the template"));
        }
    }
}
