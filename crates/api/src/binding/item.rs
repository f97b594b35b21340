//! What an item names: a path of a KV engine, a static role, or a pair of them.

use lockstep_core::binding::SecretRef;
use lockstep_core::engine::{self, Engine};
use lockstep_core::kv::{KvMount, KvPath};
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

    /// What names this secret, and nothing else.
    pub(super) fn naming(secret: &SecretRef) -> Self {
        let path = secret.path.to_string();
        let (source, mount) = (secret.source.to_string(), secret.mount.to_string());
        let plain = Self { source, mount, ..Self::default() };
        match secret.engine {
            Engine::KvV2 => Self { path: Some(path), ..plain },
            Engine::KvV1 => Self { path: Some(path), engine: Some(Engine::KvV1.as_str().to_owned()), ..plain },
            Engine::StaticRole => Self { static_role: Some(path), ..plain },
            Engine::RolePair => Self { role_pair: path.split(',').map(str::to_owned).collect(), ..plain },
        }
    }
}

/// Which secret the item names.
pub(super) fn check(wire: &Item, field: &str, mistakes: &mut Mistakes) -> Option<SecretRef> {
    let source: Option<SourceName> = mistakes.parse(format!("{field}.source"), &wire.source);
    let mount: Option<KvMount> = mistakes.parse(format!("{field}.mount"), &wire.mount);
    let named = [wire.path.is_some(), wire.static_role.is_some(), !wire.role_pair.is_empty()];
    let (engine, path) = match named {
        [true, false, false] => {
            (check_engine(wire, field, mistakes), mistakes.parse(format!("{field}.path"), wire.path.as_deref()?))
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
    Some(SecretRef { source: source?, engine, mount: mount?, path: path? })
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
    let role: KvPath = mistakes.parse(field, name)?;
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

    fn checked(wire: &Item) -> Result<SecretRef, Vec<String>> {
        let mut mistakes = Mistakes::default();
        let secret = check(wire, "item", &mut mistakes);
        mistakes.finish(secret).map_err(|mistakes| mistakes.into_iter().map(|m| m.to_string()).collect())
    }

    #[test]
    fn an_item_names_a_path_a_role_or_a_pair_and_reads_back_as_written() {
        for (more, engine, path) in [
            (json!({"path": "a/b"}), Engine::KvV2, "a/b"),
            (json!({"path": "a/b", "engine": "KvV1"}), Engine::KvV1, "a/b"),
            (json!({"staticRole": "app"}), Engine::StaticRole, "app"),
            (json!({"rolePair": ["app_a", "app_b"]}), Engine::RolePair, "app_a,app_b"),
        ] {
            let wire = item(&more);
            let secret = checked(&wire).unwrap();
            assert_eq!((secret.engine, secret.path.as_str()), (engine, path));
            assert_eq!(Item::naming(&secret), wire);
            assert_eq!(wire.place(), path);
        }
        let said = item(&json!({"path": "a", "engine": "KvV2"}));
        assert_eq!(checked(&said).unwrap().engine, Engine::KvV2, "the default may be said");
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
            (json!({"rolePair": ["a"]}), "item.rolePair", "two roles"),
            (json!({"rolePair": ["a", "a"]}), "item.rolePair", "must differ"),
            (json!({"rolePair": ["a", "b,c"]}), "item.rolePair[1]", "no ','"),
        ] {
            let mistakes = checked(&item(&more)).unwrap_err();
            assert!(mistakes.iter().any(|m| m.starts_with(field) && m.contains(part)), "{more}: {mistakes:?}");
        }
    }
}
