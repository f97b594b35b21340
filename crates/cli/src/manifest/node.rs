//! A YAML node that still knows its line.
//!
//! serde-saphyr's `Spanned` gives the place of any value it deserializes, so one pass yields both the plain value, with YAML's own rules
//! for scalars, anchors and merge keys, and the line of every field.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::lines::Lines;

/// A value with its place.
pub(super) type Node = Spanned<Content>;

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

/// The plain value of `node`; each field's line is noted in `lines` under its path, which begins with `field`.
pub(super) fn flatten(node: Node, field: &str, lines: &mut Lines) -> Value {
    match node.value {
        Content::Scalar(value) => value,
        Content::List(nodes) => {
            let item = |(i, node): (usize, Node)| {
                let field = format!("{field}[{i}]");
                lines.note(&field, node.referenced.line());
                flatten(node, &field, lines)
            };
            Value::Array(nodes.into_iter().enumerate().map(item).collect())
        }
        Content::Map(entries) => {
            let entry = |(key, node): (Spanned<String>, Node)| {
                let field = if field.is_empty() { key.value.clone() } else { format!("{field}.{}", key.value) };
                // The key's line, not the value's: that is where a person looks for a field.
                lines.note(&field, key.referenced.line());
                (key.value, flatten(node, &field, lines))
            };
            Value::Object(entries.into_iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        // JSON has neither infinity nor NaN, and no field of ours wants one.
        Ok(Content::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Value::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Content::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Content::Map(entries))
    }
}
