//! What the objects of a volume draw from, gathered key by key.

use std::collections::BTreeSet;

use lockstep_api::binding::Item;
use lockstep_core::render::{KEY_MAX_BYTES, is_content_key};

use super::super::vault_path::VaultPlace;

/// The content of a volume. What is asked for by a path is found by it, whatever its key in the content is called: so two secrets may
/// have keys of one name.
#[derive(Debug, Default)]
pub(super) struct Contents {
    source: String,
    /// A secret each, its keys named.
    keyed: Vec<Item>,
    taken: BTreeSet<String>,
    whole: Vec<VaultPlace>,
}

impl Contents {
    pub(super) fn new(source: String) -> Self {
        Self { source, ..Self::default() }
    }

    /// Adds one key of a secret; `hint` names it where another secret has one of the same name.
    pub(super) fn add(&mut self, place: &VaultPlace, key: &str, hint: &str) {
        let plain = place.item(&self.source);
        let is_it = |item: &Item| item == &Item { keys: item.keys.clone(), ..plain.clone() };
        let index = self.keyed.iter().position(is_it).unwrap_or(self.keyed.len());
        if index == self.keyed.len() {
            self.keyed.push(plain);
        }
        if self.keyed[index].keys.contains_key(key) {
            return;
        }
        let to = self.free(key, hint);
        self.taken.insert(to.clone());
        self.keyed[index].keys.insert(key.to_owned(), to);
    }

    /// Adds a secret with all its keys. It must not share its content with another, which would be in its JSON too.
    pub(super) fn add_whole(&mut self, place: VaultPlace) {
        if !self.whole.contains(&place) {
            self.whole.push(place);
        }
    }

    /// The items of each binding, with what it is of, if that is one secret as a whole.
    pub(super) fn into_bindings(self) -> Vec<(Vec<Item>, Option<VaultPlace>)> {
        let keyed = (!self.keyed.is_empty()).then_some((self.keyed, None));
        let whole = self.whole.into_iter().map(|place| (vec![place.item(&self.source)], Some(place)));
        keyed.into_iter().chain(whole).collect()
    }

    fn free(&self, key: &str, hint: &str) -> String {
        let numbered = (2..).map(|number| format!("{number}-{key}"));
        let mut names = [key.to_owned(), hint.to_owned()].into_iter().chain(numbered).map(|name| content_key(&name));
        names.find(|name| is_content_key(name) && !self.taken.contains(name)).unwrap_or_default()
    }
}

/// As near to `text` as a key of a content can be.
fn content_key(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(fit).take(KEY_MAX_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::engine::Engine;

    fn place(path: &str) -> VaultPlace {
        VaultPlace::new("kv", path, Engine::KvV2)
    }

    #[test]
    fn keys_of_one_name_stay_apart_and_each_secret_is_one_item() {
        let mut contents = Contents::new("corp".into());
        for (path, key, hint) in [
            ("a", "password", "a-password"),
            ("b", "password", "conf/b"),
            ("a", "password", "again"),
            ("a", "user", "user"),
            ("c", "password", "conf/b"),
            ("c", "..", ".."),
            ("c", "my key", "x"),
        ] {
            contents.add(&place(path), key, hint);
        }
        let keys = contents.keyed.iter().map(|item| item.keys.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect());
        assert_eq!(
            keys.collect::<Vec<Vec<_>>>(),
            [
                vec![("password", "password"), ("user", "user")],
                vec![("password", "conf-b")],
                vec![("..", "2-.."), ("my key", "my-key"), ("password", "2-password")],
            ]
        );
    }

    #[test]
    fn a_whole_secret_is_alone() {
        let mut contents = Contents::new("corp".into());
        contents.add(&place("a"), "x", "x");
        for path in ["b", "b", "c"] {
            contents.add_whole(place(path));
        }
        let bindings = contents.into_bindings();
        let paths: Vec<_> = bindings.iter().map(|(items, _)| items.iter().map(Item::place).collect::<Vec<_>>()).collect();
        assert_eq!(paths, [["a"], ["b"], ["c"]]);
        assert_eq!(bindings.into_iter().map(|(_, whole)| whole).collect::<Vec<_>>(), [None, Some(place("b")), Some(place("c"))]);
    }
}
