//! A Secret as the API server shows it: what is needed of it, and who owns what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use lockstep_core::material::Material;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::field::Field;

/// Where kubectl keeps a copy of the whole object, values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A Secret, values included.
#[derive(Deserialize)]
pub(super) struct SecretObject {
    pub(super) metadata: ObjectMeta,
    #[serde(rename = "type", default)]
    pub(super) secret_type: String,
    #[serde(default)]
    pub(super) immutable: bool,
    #[serde(default)]
    pub(super) data: BTreeMap<String, Base64>,
}

/// Its metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ObjectMeta {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) deletion_timestamp: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "annotations")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "present")]
    pub(super) owner_references: bool,
    pub(super) managed_fields: Vec<ManagedFields>,
}

/// What one manager owns.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ManagedFields {
    pub(super) manager: String,
    /// How it came to own them.
    operation: String,
    /// When it last changed something; RFC 3339, so its order as text is that of time.
    pub(super) time: String,
    #[serde(rename = "fieldsV1")]
    pub(super) fields: Owned,
}

/// Fields of one manager.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// As they are stored.
    stored: BTreeSet<Field>,
    /// Keys that it applied as `stringData`. What came of them in `data` is recorded for nobody.
    texts: BTreeSet<Field>,
}

/// One value of the data.
pub(super) struct Base64(Zeroizing<String>);

impl SecretObject {
    /// The bytes of a key. What is not Base64 cannot be there: the API server refuses it.
    pub(super) fn value(&self, key: &str) -> Option<Material> {
        BASE64_STANDARD.decode(self.data.get(key)?.0.as_bytes()).ok().map(Material::new)
    }

    /// Whether `field` is there, with whichever value.
    pub(super) fn is_there(&self, field: &Field) -> bool {
        match field {
            Field::Key(key) => self.data.contains_key(key),
            Field::Label(label) => self.metadata.labels.contains_key(label),
            Field::Annotation(name) => self.metadata.annotations.contains_key(name),
            Field::Other(_) => false,
        }
    }

    /// Whether `field` is there with just this value; of `Other` fields nothing is known.
    pub(super) fn has(&self, field: &Field, value: &[u8]) -> bool {
        match field {
            Field::Key(key) => self.value(key).is_some_and(|there| there.expose() == value),
            Field::Label(label) => self.metadata.labels.get(label).is_some_and(|there| there.as_bytes() == value),
            Field::Annotation(name) => self.metadata.annotations.get(name).is_some_and(|there| there.as_bytes() == value),
            Field::Other(_) => false,
        }
    }
}

impl ObjectMeta {
    /// What `manager` owns.
    pub(super) fn owned_by(&self, manager: &str) -> BTreeSet<&Field> {
        self.managed_fields.iter().filter(|entry| entry.manager == manager).flat_map(|entry| entry.fields.iter()).collect()
    }

    /// When `manager` last wrote; not at all what is no time.
    pub(super) fn written_by(&self, manager: &str) -> Option<DateTime<Utc>> {
        let times = self.managed_fields.iter().filter(|entry| entry.manager == manager).map(|entry| &entry.time);
        times.filter_map(|time| DateTime::parse_from_rfc3339(time).ok()).map(|time| time.to_utc()).max()
    }

    /// Who owns `field`, the newest first, but for `manager`.
    pub(super) fn other_owners(&self, field: &Field, manager: &str) -> Vec<&str> {
        let mut owners: Vec<&ManagedFields> =
            self.managed_fields.iter().filter(|entry| entry.manager != manager && entry.fields.contains(field)).collect();
        owners.sort_by(|one, other| other.time.cmp(&one.time));
        owners.into_iter().map(|entry| entry.manager.as_str()).collect()
    }

    /// Whether `manager` owns `field` because it applied it as it is stored. Who only updated a thing owns what it changed.
    pub(super) fn is_applied_by(&self, field: &Field, manager: &str) -> bool {
        let is_it = |entry: &ManagedFields| entry.manager == manager && entry.operation == "Apply";
        self.managed_fields.iter().any(|entry| is_it(entry) && entry.fields.stored.contains(field))
    }
}

impl Owned {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.stored.iter().chain(&self.texts)
    }

    fn contains(&self, field: &Field) -> bool {
        self.stored.contains(field) || self.texts.contains(field)
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A value that is null is an empty one.
        Ok(Self(Zeroizing::new(Option::<String>::deserialize(deserializer)?.unwrap_or_default())))
    }
}

/// All but kubectl's copy of the object.
fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Kept;
    impl<'de> Visitor<'de> for Kept {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("annotations")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                if name == LAST_APPLIED {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    kept.insert(name, map.next_value()?);
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_map(Kept)
}

/// Whether a list has anything in it.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(!Vec::<IgnoredAny>::deserialize(deserializer)?.is_empty())
}

/// A `FieldsV1` set: names nested below names, each after `f:`.
impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let set = Value::deserialize(deserializer)?;
        let names = |value: &Value| -> Vec<String> {
            let map = value.as_object().into_iter().flatten();
            map.filter_map(|(name, _)| name.strip_prefix("f:").map(str::to_owned)).collect()
        };
        let mut stored: BTreeSet<Field> = names(&set["f:data"]).into_iter().map(Field::Key).collect();
        stored.extend(names(&set["f:metadata"]["f:labels"]).into_iter().map(Field::Label));
        stored.extend(names(&set["f:metadata"]["f:annotations"]).into_iter().map(Field::Annotation));
        stored.extend(
            names(&set).into_iter().filter(|name| name != "data" && name != "stringData" && name != "metadata").map(Field::Other),
        );
        Ok(Self { stored, texts: names(&set["f:stringData"]).into_iter().map(Field::Key).collect() })
    }
}
