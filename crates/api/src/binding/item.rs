//! What an item names: a path of a KV engine, which may differ by cluster, a static role, or a pair of them.

use std::fmt::Display;
use std::str::FromStr;

use lockstep_core::binding::{Drawn, SecretPattern, SecretRef};
use lockstep_core::engine::{self, Engine};
use lockstep_core::kv::{CLUSTER, KvMount, KvPath};
use lockstep_core::name::SourceName;

use super::Item;
use crate::field::Mistakes;

/// The keys that a static role's credentials have.
const ROLE_KEYS: [&str; 2] = ["username", "password"];

impl Item {
    /// What it names below its mount, as people read it: `payments/db`, `app`, `app_a,app_b`.
    pub fn place(&self) -> String {
        let roles = || self.role_pair.join(",");
        self.path.clone().or_else(|| self.static_role.clone()).unwrap_or_else(roles)
    }

    /// What names what is drawn, and nothing else.
    pub(super) fn naming(drawn: &Drawn) -> Self {
        let path = drawn.path().to_owned();
        let (source, mount) = (drawn.source().to_string(), drawn.mount().to_string());
        let plain = Self { source, mount, ..Self::default() };
        match drawn.engine() {
            Engine::KvV2 => Self { path: Some(path), ..plain },
            Engine::KvV1 => Self { path: Some(path), engine: Some(Engine::KvV1.as_str().to_owned()), ..plain },
            Engine::StaticRole => Self { static_role: Some(path), ..plain },
            Engine::RolePair => Self { role_pair: path.split(',').map(str::to_owned).collect(), ..plain },
        }
    }
}

/// Which secret the item names, or which in each cluster.
pub(super) fn check(wire: &Item, field: &str, mistakes: &mut Mistakes) -> Option<Drawn> {
    let source: Option<SourceName> = mistakes.parse(format!("{field}.source"), &wire.source);
    let mount: Option<KvMount> = only_in_a_path(&wire.mount, &format!("{field}.mount"), mistakes);
    let named = [wire.path.is_some(), wire.static_role.is_some(), !wire.role_pair.is_empty()];
    let (engine, path) = match named {
        [true, false, false] => {
            let path = wire.path.as_deref()?;
            if path.contains(CLUSTER) {
                return by_cluster(wire, path, field, (source, mount), mistakes);
            }
            (check_engine(wire, field, mistakes), mistakes.parse(format!("{field}.path"), path))
        }
        [false, true, false] => {
            let field = format!("{field}.staticRole");
            (Some(Engine::StaticRole), role(wire.static_role.as_deref()?, &field, mistakes))
        }
        [false, false, true] => (Some(Engine::RolePair), pair(&wire.role_pair, &format!("{field}.rolePair"), mistakes)),
        _ => {
            let reason = "name one thing: a path of a KV engine, a staticRole of a database engine, or a rolePair of two of them";
            mistakes.add(field, reason);
            return None;
        }
    };
    let engine = engine?;
    if wire.engine.is_some() && wire.path.is_none() {
        mistakes.add(format!("{field}.engine"), "goes with a path: leave it out, a role is always one of a database engine");
    }
    if wire.version.is_some() && !engine.numbers_versions() {
        let reason = "only KV version 2 has versions that can be asked for: leave it out, and the newest is delivered";
        mistakes.add(format!("{field}.version"), reason);
    }
    if matches!(engine, Engine::StaticRole | Engine::RolePair) {
        for key in
            wire.keys.keys().chain(wire.base64.iter().filter(|key| *key != "*")).filter(|k| !ROLE_KEYS.contains(&k.as_str()))
        {
            mistakes.add(format!("{field}.keys.{key}"), "a role's credentials have the keys username and password, and no other");
        }
    }
    Some(SecretRef { source: source?, engine, mount: mount?, path: path? }.into())
}

/// A path that is another in each cluster.
fn by_cluster(
    wire: &Item,
    path: &str,
    field: &str,
    (source, mount): (Option<SourceName>, Option<KvMount>),
    mistakes: &mut Mistakes,
) -> Option<Drawn> {
    let engine = check_engine(wire, field, mistakes);
    let path = mistakes.parse(format!("{field}.path"), path);
    if wire.version.is_some() {
        let reason = format!(
            "the path is another in each cluster, and the same number would be something else in each: leave the version out, or bind \
             one cluster's path without {CLUSTER}"
        );
        mistakes.add(format!("{field}.version"), reason);
    }
    Some(Drawn::ByCluster(SecretPattern { source: source?, engine: engine?, mount: mount?, path: path? }))
}

/// Parses what is the same in all clusters.
fn only_in_a_path<T: FromStr<Err: Display>>(text: &str, field: &str, mistakes: &mut Mistakes) -> Option<T> {
    if text.contains(CLUSTER) {
        mistakes.add(field, format!("{CLUSTER} stands for a cluster's name in the path of a KV engine only"));
        return None;
    }
    mistakes.parse(field, text)
}

fn check_engine(wire: &Item, field: &str, mistakes: &mut Mistakes) -> Option<Engine> {
    match wire.engine.as_deref() {
        None => Some(Engine::default()),
        Some(word) => {
            let found = Engine::from_word(word).filter(|engine| matches!(engine, Engine::KvV2 | Engine::KvV1));
            if found.is_none() {
                let reason =
                    format!("{word:?} is no engine with paths: KvV2 or KvV1; name a database's role with staticRole or rolePair");
                mistakes.add(format!("{field}.engine"), reason);
            }
            found
        }
    }
}

fn role(name: &str, field: &str, mistakes: &mut Mistakes) -> Option<KvPath> {
    let role: KvPath = only_in_a_path(name, field, mistakes)?;
    if !engine::is_role_name(&role) {
        mistakes.add(field, format!("{name:?} is no role's name: it may have no ',' and no '/'"));
        return None;
    }
    Some(role)
}

fn pair(names: &[String], field: &str, mistakes: &mut Mistakes) -> Option<KvPath> {
    let [first, second] = names else {
        mistakes.add(field, format!("a pair is two roles, not {}", names.len()));
        return None;
    };
    let first = role(first, &format!("{field}[0]"), mistakes);
    let second = role(second, &format!("{field}[1]"), mistakes);
    let (first, second) = (first?, second?);
    let joined = engine::pair(&first, &second);
    if joined.is_none() {
        mistakes.add(field, "the two roles must differ, and their names together have fewer than 512 bytes");
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn item(more: &Value) -> Item {
        let mut item = json!({"source": "corp", "mount": "m"});
        for (field, value) in more.as_object().unwrap() {
            item[field] = value.clone();
        }
        serde_json::from_value(item).unwrap()
    }

    fn checked(wire: &Item) -> Result<Drawn, Vec<String>> {
        let mut mistakes = Mistakes::default();
        let secret = check(wire, "item", &mut mistakes);
        mistakes.finish(secret).map_err(|mistakes| mistakes.into_iter().map(|m| m.to_string()).collect())
    }

    #[test]
    fn an_item_names_a_path_a_role_or_a_pair_and_reads_back_as_written() {
        for (more, engine, path) in [
            (json!({"path": "a/b"}), Engine::KvV2, "a/b"),
            (json!({"path": "a/b", "engine": "KvV1"}), Engine::KvV1, "a/b"),
            (json!({"path": "a/{cluster}/b"}), Engine::KvV2, "a/{cluster}/b"),
            (json!({"path": "a-{cluster}", "engine": "KvV1"}), Engine::KvV1, "a-{cluster}"),
            (json!({"staticRole": "app"}), Engine::StaticRole, "app"),
            (json!({"rolePair": ["app_a", "app_b"]}), Engine::RolePair, "app_a,app_b"),
        ] {
            let wire = item(&more);
            let secret = checked(&wire).unwrap();
            assert_eq!((secret.engine(), secret.path()), (engine, path));
            assert_eq!(secret.everywhere().is_none(), path.contains(CLUSTER));
            assert_eq!(Item::naming(&secret), wire);
            assert_eq!(wire.place(), path);
        }
        let said = item(&json!({"path": "a", "engine": "KvV2"}));
        assert_eq!(checked(&said).unwrap().engine(), Engine::KvV2, "the default may be said");
    }

    #[test]
    fn each_mistake_says_what_to_do() {
        for (more, field, part) in [
            (json!({}), "item:", "name one thing"),
            (json!({"path": "a", "staticRole": "b"}), "item:", "name one thing"),
            (json!({"path": "a", "engine": "StaticRole"}), "item.engine", "staticRole"),
            (json!({"staticRole": "a", "engine": "KvV1"}), "item.engine", "leave it out"),
            (json!({"staticRole": "a/b"}), "item.staticRole", "no '/'"),
            (json!({"staticRole": "a", "version": 3}), "item.version", "leave it out"),
            (json!({"path": "a", "engine": "KvV1", "version": 3}), "item.version", "leave it out"),
            (json!({"staticRole": "a", "keys": {"host": "HOST"}}), "item.keys.host", "username and password"),
            (json!({"path": "a/{cluster}", "version": 3}), "item.version", "something else in each"),
            (json!({"path": "a/{cluster}/{region}"}), "item.path", "'{' is not allowed"),
            (json!({"path": "a", "mount": "kv-{cluster}"}), "item.mount", "path of a KV engine only"),
            (json!({"staticRole": "{cluster}"}), "item.staticRole", "path of a KV engine only"),
            (json!({"path": "{cluster}", "engine": "StaticRole"}), "item.engine", "staticRole"),
            (json!({"rolePair": ["a"]}), "item.rolePair", "two roles"),
            (json!({"rolePair": ["a", "a"]}), "item.rolePair", "must differ"),
            (json!({"rolePair": ["a", "b,c"]}), "item.rolePair[1]", "no ','"),
        ] {
            let mistakes = checked(&item(&more)).unwrap_err();
            assert!(mistakes.iter().any(|m| m.starts_with(field) && m.contains(part)), "{more}: {mistakes:?}");
        }
    }
}
