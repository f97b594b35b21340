//! Keys that are base64 text: what can be seen of them before any secret is read.

use lockstep_core::binding::{ALL_KEYS, KEYS_MAX};

use super::Item;
use crate::field::Mistakes;

/// Notes keys that are named twice, or that the item does not deliver.
pub(super) fn check(wire: &Item, field: &str, mistakes: &mut Mistakes) {
    if wire.base64.len() > KEYS_MAX {
        mistakes.count(&format!("{field}.base64"), wire.base64.len(), KEYS_MAX);
    }
    for (index, key) in wire.base64.iter().enumerate() {
        let field = || format!("{field}.base64[{index}]");
        if wire.base64[..index].contains(key) {
            mistakes.add(field(), format!("{key:?} is named twice: once is enough"));
        } else if key != ALL_KEYS && !wire.keys.is_empty() && !wire.keys.contains_key(key) {
            let reason = format!(
                "keys does not deliver {key:?}: use the secret's own name of a key, as on the left of keys, or \"*\" for all"
            );
            mistakes.add(field(), reason);
        }
    }
}
