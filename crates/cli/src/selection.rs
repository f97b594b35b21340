//! What the words after a command name: `KIND`, `KIND NAME…` or `KIND/NAME…`, as with kubectl.

use std::fmt::Display;
use std::str::FromStr;

use anyhow::{anyhow, bail};

use crate::kind::{Kind, Registered};

/// Things of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) kind: Kind,
    /// None: all.
    pub(crate) names: Vec<String>,
}

impl Selection {
    /// Reads the words of `get` and `describe`.
    pub(crate) fn read(words: &[String]) -> anyhow::Result<Self> {
        let Some((first, names)) = words.split_first() else { bail!("say which kind, such as `bindings`") };
        if !first.contains('/') {
            return Ok(Self { kind: first.parse()?, names: names.to_vec() });
        }
        let things = named::<Kind>(words)?;
        let kind = things[0].0;
        if things.iter().any(|(other, _)| *other != kind) {
            bail!("these are of several kinds: ask for one kind at a time");
        }
        Ok(Self { kind, names: things.into_iter().map(|(_, name)| name).collect() })
    }
}

/// Reads the words of commands that act on things by name: `KIND NAME…` or `KIND/NAME…`.
pub(crate) fn named<K: FromStr<Err: Display> + Copy>(words: &[String]) -> anyhow::Result<Vec<(K, String)>> {
    let kind = |word: &str| word.parse::<K>().map_err(|error| anyhow!("{error}"));
    match words {
        [] => bail!("say which, such as `binding/checkout-db`"),
        [first, names @ ..] if !first.contains('/') => {
            let kind = kind(first)?;
            if names.is_empty() {
                bail!("say which of the {first}, such as `{first} NAME`");
            }
            Ok(names.iter().map(|name| (kind, name.clone())).collect())
        }
        words => words
            .iter()
            .map(|word| match word.split_once('/') {
                Some((of, name)) if !name.is_empty() => Ok((kind(of)?, name.to_owned())),
                _ => bail!("{word:?} is not KIND/NAME, such as `binding/checkout-db`"),
            })
            .collect(),
    }
}

/// As in `binding/checkout-db`.
pub(crate) fn title(kind: Registered, name: &str) -> String {
    format!("{}/{name}", kind.singular())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        for (text, kind, names) in [
            ("bindings", Kind::Registered(Registered::Binding), vec![]),
            ("bd a b", Kind::Registered(Registered::Binding), vec!["a", "b"]),
            ("cluster/a clusters/b", Kind::Registered(Registered::Cluster), vec!["a", "b"]),
            ("secret corp/kv/a/b", Kind::Secret, vec!["corp/kv/a/b"]),
            ("secret/corp/kv/a/b", Kind::Secret, vec!["corp/kv/a/b"]),
        ] {
            let selection = Selection::read(&words(text)).unwrap();
            assert_eq!((selection.kind, selection.names.iter().map(String::as_str).collect()), (kind, names), "{text}");
        }
        for bad in ["", "pods", "cluster/a b", "cluster/", "cluster/a binding/b"] {
            assert!(Selection::read(&words(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn acting_needs_names() {
        assert_eq!(named::<Registered>(&words("cluster/a bd/b")).unwrap().len(), 2);
        for bad in ["", "clusters", "secret/a", "delivery a"] {
            assert!(named::<Registered>(&words(bad)).is_err(), "{bad}");
        }
    }
}
