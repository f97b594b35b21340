//! Whether a page of pods, workloads and others mentions a name. Any text that equals it counts, or ends with it after a slash, as in
//! `namespace/name`, wherever it stands: a name with a hash in it means nothing else, and whoever mentions it in a way that is not known
//! here keeps it too. No text is kept or copied.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Names that are looked for, and those that were found.
#[derive(Debug)]
pub(super) struct Mentions {
    wanted: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Mentions {
    pub(super) fn of(wanted: BTreeSet<String>) -> Self {
        Self { wanted, found: BTreeSet::new() }
    }

    /// Whether there is nothing more to find.
    pub(super) fn has_all(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn found(self) -> BTreeSet<String> {
        self.found
    }

    fn see(&mut self, text: &str) {
        let name = text.rsplit('/').next().unwrap_or(text);
        if let Some(name) = self.wanted.take(name) {
            self.found.insert(name);
        }
    }
}

/// Reads a page; answers where the next one begins.
pub(super) fn read(page: &[u8], mentions: &mut Mentions) -> Result<Option<String>, ()> {
    let mut json = serde_json::Deserializer::from_slice(page);
    let next = PageSeed(mentions).deserialize(&mut json).map_err(|_| ())?;
    Ok(next.filter(|next| !next.is_empty()))
}

/// A list: its `metadata.continue` is answered, its `items` are searched.
struct PageSeed<'a>(&'a mut Mentions);

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut next = None;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "metadata" => {
                    let metadata: serde_json::Map<String, serde_json::Value> = map.next_value()?;
                    next = metadata.get("continue").and_then(|next| next.as_str()).map(str::to_owned);
                }
                "items" => map.next_value_seed(Anything(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(next)
    }
}

/// Any JSON; its texts are seen.
struct Anything<'a>(&'a mut Mentions);

impl<'de> DeserializeSeed<'de> for Anything<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Anything<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.see(text);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Anything(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Anything(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_stands_and_only_whole() {
        let page = br#"{"kind":"PodList","metadata":{"continue":"abc","remainingItemCount":3},"items":[
            {"spec":{"containers":[{"env":[{"name":"db-1","value":"x"}],"envFrom":[{"secretRef":{"name":"db-2"}}]}]}},
            {"spec":{"volumes":[{"secret":{"secretName":"db-33","defaultMode":420,"optional":true}},null,1.5,-1]}}]}"#;
        let mut mentions = Mentions::of(["db-1", "db-2", "db-3"].map(str::to_owned).into());
        assert_eq!(read(page, &mut mentions).unwrap().as_deref(), Some("abc"));
        assert!(!mentions.has_all());
        assert_eq!(read(br#"{"metadata":{},"items":["shop/db-3"]}"#, &mut mentions).unwrap(), None);
        assert!(mentions.has_all());
        assert_eq!(mentions.found().len(), 3);
        assert!(read(b"[]", &mut Mentions::of(BTreeSet::new())).is_err());
    }
}
