//! Rendering: from what a source gave to the finished bytes that an agent gets.

mod base64_text;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::binding::{ALL_KEYS, Item, SecretType};
use crate::material::Material;

/// The most bytes one delivery may hold, names and values together: what fits a Kubernetes Secret (1 MiB).
pub const CONTENT_MAX_BYTES: usize = 1 << 20;

/// The longest key, in bytes, as for a key of a Kubernetes Secret.
pub const KEY_MAX_BYTES: usize = 253;

/// Finished content: file or Secret keys with their bytes, in order of key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered(BTreeMap<String, Material>);

/// Why content cannot be rendered. Names of keys appear, values never.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The binding asks for a key that this version does not have.
    #[error("secret {path} has no key {key:?}: correct spec.items[].keys, or write the key")]
    NoSuchKey {
        /// The secret's path, as the item says it.
        path: String,
        /// The key asked for.
        key: String,
    },
    /// What the binding calls base64 is none.
    #[error(
        "key {key:?} of secret {path} is not base64, which spec.items[].base64 says it is: write it as `base64 FILE` prints it (standard alphabet, padded; white space does not matter), or take the key out of that list"
    )]
    NotBase64 {
        /// The secret's path, as the item says it.
        path: String,
        /// The key.
        key: String,
    },
    /// The binding calls a key base64 that this version does not have.
    #[error("secret {path} has no key {key:?}, which spec.items[].base64 names: correct that list, or write the key")]
    NoKeyToDecode {
        /// The secret's path, as the item says it.
        path: String,
        /// The key named.
        key: String,
    },
    /// A key that is neither a file name nor a Secret key.
    #[error(
        "key {key:?} of secret {path} can be neither a file nor a Secret key: map it to a name of letters, digits, '-', '_' and '.' in spec.items[].keys"
    )]
    BadKey {
        /// The secret's path, as the item says it.
        path: String,
        /// The key as it would be written.
        key: String,
    },
    /// Two items give the same key.
    #[error("key {key:?} comes from more than one item: map one of them to another name in spec.items[].keys")]
    KeyTwice {
        /// The key.
        key: String,
    },
    /// A template and an item give the same key.
    #[error("key {key:?} comes from an item and from spec.templates: rename one of them, or set spec.templatesOnly")]
    KeyOfTemplate {
        /// The key.
        key: String,
    },
    /// Not what the target's type asks for.
    #[error("a Secret of type {secret_type} needs {what}{problem}")]
    Unfit {
        /// The target's type.
        secret_type: SecretType,
        /// Such as `key tls.crt`.
        what: String,
        /// Why it is not good, and what to do; goes on where `what` ends.
        problem: &'static str,
    },
    /// More than [`CONTENT_MAX_BYTES`].
    #[error(
        "the content has {bytes} bytes, more than the {CONTENT_MAX_BYTES} that a Secret may have: deliver fewer keys, or split the binding"
    )]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
    },
}

/// Whether `key` can be a key of a Kubernetes Secret and, by the same rule, a file name.
pub fn is_content_key(key: &str) -> bool {
    (1..=KEY_MAX_BYTES).contains(&key.len())
        && !key.starts_with("..")
        && key != "."
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl Rendered {
    /// Content of these keys; checks names and size. Used where content arrives finished: at the agent.
    pub fn of(pairs: impl IntoIterator<Item = (String, Material)>) -> Result<Self, RenderError> {
        let mut content = BTreeMap::new();
        for (key, material) in pairs {
            if content.insert(key.clone(), material).is_some() {
                return Err(RenderError::KeyTwice { key });
            }
        }
        let bytes = content.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > CONTENT_MAX_BYTES { Err(RenderError::TooLarge { bytes }) } else { Ok(Self(content)) }
    }

    /// Keys with their bytes, in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Material)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// The bytes under `key`.
    pub fn get(&self, key: &str) -> Option<&Material> {
        self.0.get(key)
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Renders the items of a binding; `materials` are the keys of the version chosen for each item, `None` where it is gone.
pub fn render(items: &[Item], materials: &[Option<&BTreeMap<String, Material>>]) -> Result<Rendered, RenderError> {
    let pairs = merge(items, materials)?;
    if let Some((path, key, _)) = pairs.iter().find(|(_, key, _)| !is_content_key(key)) {
        return Err(RenderError::BadKey { path: (*path).to_owned(), key: key.clone() });
    }
    Rendered::of(pairs.into_iter().map(|(_, k, v)| (k, v)))
}

/// The items' keys under their new names, as bytes, each with the path it comes from.
pub(crate) fn merge<'a>(
    items: &'a [Item],
    materials: &[Option<&BTreeMap<String, Material>>],
) -> Result<Vec<(&'a str, String, Material)>, RenderError> {
    debug_assert_eq!(items.len(), materials.len());
    let mut pairs = Vec::new();
    for (item, material) in items.iter().zip(materials) {
        let Some(material) = material else { continue };
        let path = item.secret.path();
        if item.keys.is_empty() {
            for (key, value) in *material {
                pairs.push((path, key.clone(), delivered(item, key, value)?));
            }
        }
        for (from, to) in &item.keys {
            let value = material.get(from).ok_or_else(|| RenderError::NoSuchKey { path: path.to_owned(), key: from.clone() })?;
            pairs.push((path, to.clone(), delivered(item, from, value)?));
        }
        // A misspelt name would let base64 text through in place of what it stands for.
        if let Some(key) = item.base64.iter().find(|key| *key != ALL_KEYS && !material.contains_key(*key)) {
            return Err(RenderError::NoKeyToDecode { path: path.to_owned(), key: key.clone() });
        }
    }
    Ok(pairs)
}

/// The bytes of the secret's key that the item delivers.
fn delivered(item: &Item, key: &str, value: &Material) -> Result<Material, RenderError> {
    if !item.is_base64(key) {
        return Ok(value.clone());
    }
    let not_base64 = || RenderError::NotBase64 { path: item.secret.path().to_owned(), key: key.to_owned() };
    base64_text::decode(value).ok_or_else(not_base64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::tests::item;

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, Material> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec()))).collect()
    }

    fn names(r: &Rendered) -> Vec<&str> {
        r.iter().map(|(k, _)| k).collect()
    }

    #[test]
    fn no_keys_means_all_and_keys_rename() {
        let material = keys(&[("username", "u"), ("password", "p")]);
        let all = render(&[item("a", &[])], &[Some(&material)]).unwrap();
        assert_eq!(names(&all), ["password", "username"]);
        let one = render(&[item("a", &[("password", "DB_PASSWORD")])], &[Some(&material)]).unwrap();
        assert_eq!(names(&one), ["DB_PASSWORD"]);
    }

    #[test]
    fn items_merge_and_a_gone_item_gives_nothing() {
        let (a, b) = (keys(&[("x", "1")]), keys(&[("y", "2")]));
        let both = render(&[item("a", &[]), item("b", &[])], &[Some(&a), Some(&b)]).unwrap();
        assert_eq!(names(&both), ["x", "y"]);
        let one = render(&[item("a", &[("x", "x")]), item("b", &[])], &[None, Some(&b)]).unwrap();
        assert_eq!(names(&one), ["y"]);
    }

    fn binary(keys: &[(&str, &str)], base64: &[&str]) -> Item {
        Item { base64: base64.iter().map(|key| (*key).to_owned()).collect(), ..item("a", keys) }
    }

    #[test]
    fn keys_that_are_base64_are_delivered_as_the_bytes_they_stand_for_and_others_as_they_are() {
        let material = keys(&[("store", "AP9o\n+/8=\n"), ("text", "AP9o")]);
        let bytes = |item: Item, key: &str| render(&[item], &[Some(&material)]).unwrap().get(key).unwrap().expose().to_vec();
        assert_eq!(bytes(binary(&[("store", "a.p12"), ("text", "T")], &["store"]), "a.p12"), b"\x00\xffh\xfb\xff");
        assert_eq!(bytes(binary(&[("store", "a.p12"), ("text", "T")], &["store"]), "T"), b"AP9o");
        assert_eq!(bytes(binary(&[], &["store"]), "store"), b"\x00\xffh\xfb\xff");
        assert_eq!(bytes(binary(&[], &["store"]), "text"), b"AP9o");
        assert_eq!(bytes(binary(&[], &[ALL_KEYS]), "text"), b"\x00\xffh");
        assert_eq!(bytes(binary(&[], &[]), "store"), b"AP9o\n+/8=\n");
    }

    #[test]
    fn what_cannot_be_delivered_says_why_and_shows_no_value() {
        let canary = keys(&[("bad/key", "canary"), ("x", "canary")]);
        let cases = [
            render(&[item("a", &[("none", "N")])], &[Some(&canary)]),
            render(&[binary(&[("x", "X")], &["x"])], &[Some(&keys(&[("x", "canary!")]))]),
            render(&[binary(&[], &["none"])], &[Some(&keys(&[("x", "canary")]))]),
            render(&[item("a", &[])], &[Some(&canary)]),
            render(&[item("a", &[("x", "x")]), item("b", &[("x", "x")])], &[Some(&canary), Some(&canary)]),
            render(&[item("a", &[])], &[Some(&keys(&[("x", &"canary".repeat(200_000))]))]),
        ];
        let parts = [
            "secret a has no key \"none\": correct",
            "key \"x\" of secret a is not base64",
            "secret a has no key \"none\", which spec.items[].base64 names",
            "neither a file",
            "more than one item",
            "1200001 bytes",
        ];
        assert_eq!(cases.len(), parts.len());
        for (case, part) in cases.into_iter().zip(parts) {
            let text = case.unwrap_err().to_string();
            assert!(text.contains(part) && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_key_never_leaves_its_directory() {
        for bad in ["", ".", "..", "..data", "a/b", "a\0", "ü", &"k".repeat(254)] {
            assert!(!is_content_key(bad), "{bad:?}");
        }
        for good in ["tls.crt", ".dockerconfigjson", "DB_USER", "a-b"] {
            assert!(is_content_key(good), "{good:?}");
        }
    }
}
