//! The account of an object: what became of each of its fields.
//!
//! Fields are named by JSON pointers (RFC 6901), because names of keys and labels have dots in them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What became of a field and all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is in a binding, or says what the object is, or stays in an object that stays.
    Used,
    /// Nothing here needs it.
    NotNeeded(String),
    /// It is not in any binding, and should be.
    LeftOut(String),
}

/// One field that is not simply in a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Such as `spec.data[0].remoteRef.property`.
    pub(crate) field: String,
    /// Why.
    pub(crate) why: String,
}

/// The lines of an account.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) not_needed: Vec<Line>,
    pub(crate) left_out: Vec<Line>,
}

/// An object, and what became of each of its fields so far.
#[derive(Debug, Clone)]
pub(super) struct Account {
    object: Value,
    fates: BTreeMap<String, Fate>,
}

const NOT_KNOWN: &str = "not known to this command: nothing in the binding says it";

impl Account {
    /// Nothing of its `spec` is accounted for yet. What names the object, and its `status`, is.
    pub(super) fn new(object: Value) -> Self {
        let fates = ["/apiVersion", "/kind", "/metadata", "/status"].map(|field| (field.to_owned(), Fate::Used));
        Self { object, fates: fates.into() }
    }

    /// What is in a field, without accounting for it.
    pub(super) fn look(&self, field: &str) -> Option<&Value> {
        self.object.pointer(field).filter(|value| !value.is_null())
    }

    /// How many things are in a list.
    pub(super) fn count(&self, field: &str) -> usize {
        self.look(field).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// The names in a map, as written.
    pub(super) fn names(&self, field: &str) -> Vec<String> {
        self.look(field).and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    /// Puts something in the place of a field: what a text that is YAML itself says.
    pub(super) fn replace(&mut self, field: &str, value: Value) {
        if let Some(place) = self.object.pointer_mut(field) {
            *place = value;
        }
    }

    /// Takes a text. What is there and is no text is left out.
    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        let text = self.look(field)?.as_str().map(str::to_owned);
        self.used(field);
        if text.is_none() {
            self.left_out(field, "not text: put it in quotes");
        }
        text
    }

    /// Takes a map from text to text.
    pub(super) fn texts(&mut self, field: &str) -> BTreeMap<String, String> {
        self.used(field);
        let names = self.names(field);
        let text = |name: String| {
            let inner = below(field, &name);
            let text = self.text(&inner)?;
            Some((name, text))
        };
        names.into_iter().filter_map(text).collect()
    }

    /// Takes `true` or `false`.
    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        let flag = self.look(field)?.as_bool();
        self.used(field);
        if flag.is_none() {
            self.left_out(field, "neither true nor false");
        }
        flag
    }

    /// It is in a binding.
    pub(super) fn used(&mut self, field: &str) {
        self.fates.insert(field.to_owned(), Fate::Used);
    }

    /// Nothing here needs it, if it is there.
    pub(super) fn not_needed(&mut self, field: &str, why: impl Into<String>) {
        if self.look(field).is_some() {
            self.fates.insert(field.to_owned(), Fate::NotNeeded(why.into()));
        }
    }

    /// It is in no binding, and should be. Also of what is not there, where its default has no equal here.
    pub(super) fn left_out(&mut self, field: &str, why: impl Into<String>) {
        self.fates.insert(field.to_owned(), Fate::LeftOut(why.into()));
    }

    /// Whether it, or something around it, is left out.
    pub(super) fn is_left_out(&self, field: &str) -> bool {
        around(field).any(|field| matches!(self.fates.get(field), Some(Fate::LeftOut(_))))
    }

    /// The account of every leaf: what nobody accounted for is left out.
    pub(super) fn close(mut self) -> Lines {
        let mut leaves = Vec::new();
        find_leaves(&self.object, String::new(), &mut leaves);
        for leaf in leaves {
            if !around(&leaf).any(|field| self.fates.contains_key(field)) {
                self.fates.insert(leaf, Fate::LeftOut(NOT_KNOWN.to_owned()));
            }
        }
        let mut lines = Lines::default();
        for (field, fate) in self.fates {
            let line = |why| Line { field: readable(&field), why };
            match fate {
                Fate::Used => {}
                Fate::NotNeeded(why) => lines.not_needed.push(line(why)),
                Fate::LeftOut(why) => lines.left_out.push(line(why)),
            }
        }
        lines
    }
}

/// The field `name` in a field.
pub(super) fn below(field: &str, name: &str) -> String {
    format!("{field}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A field and those around it, from the inside.
fn around(field: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(field), |field| field.rsplit_once('/').map(|(outer, _)| outer)).filter(|field| !field.is_empty())
}

fn find_leaves(value: &Value, field: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(name, inner)| find_leaves(inner, below(&field, name), leaves));
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(i, inner)| find_leaves(inner, format!("{field}/{i}"), leaves));
        }
        _ => leaves.push(field),
    }
}

/// `/spec/data/0/remoteRef` as `spec.data[0].remoteRef`.
pub(super) fn readable(field: &str) -> String {
    let mut readable = String::new();
    for part in field.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            readable.extend(["[", &part, "]"]);
        } else {
            if !readable.is_empty() {
                readable.push('.');
            }
            readable.push_str(&part);
        }
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_leaf_that_nobody_accounted_for_is_left_out_by_name() {
        let mut account = Account::new(json!({
            "kind": "X", "metadata": {"name": "x"},
            "spec": {"a": 1, "list": [{"b": "c", "d.e/f": 2}], "empty": {}, "none": null, "interval": "1h"},
        }));
        assert_eq!(account.text("/spec/list/0/b").as_deref(), Some("c"));
        account.not_needed("/spec/interval", "changes are pushed");
        account.not_needed("/spec/absent", "never said");
        let lines = account.close();
        let fields: Vec<_> = lines.left_out.iter().map(|line| line.field.as_str()).collect();
        assert_eq!(fields, ["spec.a", "spec.empty", "spec.list[0].d.e/f", "spec.none"]);
        assert_eq!(lines.not_needed.len(), 1);
    }

    #[test]
    fn what_is_no_text_is_left_out_and_what_is_around_it_covers_a_leaf() {
        let mut account = Account::new(json!({"spec": {"labels": {"a": "b", "sha": 1}, "find": {"path": "x"}}}));
        assert_eq!(account.texts("/spec/labels").into_keys().collect::<Vec<_>>(), ["a"]);
        account.left_out("/spec/find", "no");
        assert!(account.is_left_out("/spec/find/path") && !account.is_left_out("/spec/labels"));
        let left: Vec<_> = account.close().left_out.into_iter().map(|line| line.field).collect();
        assert_eq!(left, ["spec.find", "spec.labels.sha"]);
    }
}
