//! The items of a binding, gathered key by key.

use lockstep_api::binding::Item;

use super::vault_path::VaultPlace;

/// What one key of a target comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin<'a> {
    pub(super) source: &'a str,
    pub(super) place: &'a VaultPlace,
    pub(super) version: Option<u64>,
    pub(super) base64: bool,
}

/// The items so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Items(Vec<Item>);

impl Items {
    /// Adds `key` of a secret as `to`. An item has each key of its secret once, so the same key under a second name is a second item.
    pub(super) fn add(&mut self, from: &Origin<'_>, key: &str, to: &str) {
        let plain = Item { version: from.version, ..from.place.item(from.source) };
        let fits = |item: &Item| {
            let bare = Item { keys: plain.keys.clone(), base64: Vec::new(), ..item.clone() };
            bare == plain && !item.keys.is_empty() && !item.keys.contains_key(key)
        };
        let index = self.0.iter().position(fits).unwrap_or(self.0.len());
        if index == self.0.len() {
            self.0.push(plain);
        }
        let item = &mut self.0[index];
        item.keys.insert(key.to_owned(), to.to_owned());
        if from.base64 {
            item.base64.push(key.to_owned());
        }
    }

    /// Adds all keys of a secret under their own names.
    pub(super) fn add_all(&mut self, from: &Origin<'_>) {
        let mut item = Item { version: from.version, ..from.place.item(from.source) };
        if from.base64 {
            item.base64.push("*".to_owned());
        }
        self.0.push(item);
    }

    /// The target's keys that are named; `None`: an item delivers all its keys, so there are others.
    pub(super) fn keys(&self) -> Option<Vec<String>> {
        let all_named = self.0.iter().all(|item| !item.keys.is_empty());
        all_named.then(|| self.0.iter().flat_map(|item| item.keys.values().cloned()).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Item> {
        self.0
    }
}
