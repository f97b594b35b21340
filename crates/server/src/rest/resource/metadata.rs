//! Names, labels and annotations, in and out.

use lockstep_api::field::Mistakes;
use lockstep_api::manifest::Metadata;
use lockstep_core::label::{ANNOTATIONS_MAX_BYTES, Labels, check_key, check_value};
use lockstep_store::meta::{Registered, Written};

use super::request::check_name;

/// What is written of it; mistakes are noted.
pub(super) fn check(metadata: &Metadata, mistakes: &mut Mistakes) -> Option<Written> {
    let name = mistakes.take("metadata.name", check_name(&metadata.name));
    for (key, value) in &metadata.labels {
        let checked = check_key(key).and_then(|()| check_value(value));
        mistakes.take(format!("metadata.labels.{key}"), checked);
    }
    for key in metadata.annotations.keys() {
        mistakes.take(format!("metadata.annotations.{key}"), check_key(key));
    }
    let bytes: usize = metadata.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATIONS_MAX_BYTES {
        mistakes.add("metadata.annotations", format!("{bytes} bytes are more than the {ANNOTATIONS_MAX_BYTES} allowed"));
    }
    // Each label was reported above, with its field; what is left is how many they are.
    let labels = match Labels::try_from(metadata.labels.clone()) {
        Ok(labels) => Some(labels),
        Err(error @ lockstep_core::label::LabelError::TooMany) => {
            mistakes.add("metadata.labels", error);
            None
        }
        Err(_) => None,
    };
    name?;
    Some(Written { name: metadata.name.clone(), labels: labels?, annotations: metadata.annotations.clone() })
}

/// As it is shown.
pub(super) fn show<T>(registered: &Registered<T>) -> Metadata {
    Metadata {
        name: registered.name.clone(),
        uid: Some(registered.id),
        resource_version: Some(registered.seq.to_string()),
        creation_timestamp: Some(registered.created_at),
        labels: registered.labels.to_map(),
        annotations: registered.annotations.clone(),
    }
}
