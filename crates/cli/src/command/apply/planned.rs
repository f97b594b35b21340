//! What a dry run would have created. The server keeps nothing of it, so that it refuses what refers to it; a real run would not.

use lockstep_api::field::FieldError;
use serde_json::Value;

use crate::kind::Registered;
use crate::manifest::object::Object;
use crate::rest::failure::Failure;
use crate::rest::write::Outcome;

/// What would be there by now.
#[derive(Debug, Default)]
pub(in crate::command) struct Planned(Vec<(Registered, String)>);

impl Planned {
    /// Remembers what a dry run of `object` said.
    pub(in crate::command) fn note(&mut self, object: &Object, outcome: Outcome) {
        if outcome == Outcome::Created {
            self.0.push((object.kind, object.name.clone()));
        }
    }

    /// Whether `object` was refused only because what would be there by now is not there yet.
    pub(in crate::command) fn explains(&self, object: &Object, failure: &Failure) -> bool {
        let mistakes = failure.mistakes();
        !mistakes.is_empty() && mistakes.iter().all(|mistake| self.resolves(&object.manifest, mistake))
    }

    fn resolves(&self, manifest: &Value, mistake: &FieldError) -> bool {
        let kind = match mistake.field.rsplit('.').next() {
            Some("project") => Registered::Project,
            Some("source") => Registered::Source,
            _ => return false,
        };
        let name = manifest.pointer(&pointer(&mistake.field)).and_then(Value::as_str);
        self.0.iter().any(|(planned, planned_name)| *planned == kind && Some(planned_name.as_str()) == name)
    }
}

/// `spec.items[0].source` as a JSON pointer.
fn pointer(field: &str) -> String {
    format!("/{}", field.replace(['.', '['], "/").replace(']', ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_reference_to_what_would_be_there_is_explained() {
        let planned = Planned(vec![(Registered::Project, "shop".to_owned()), (Registered::Source, "corp".to_owned())]);
        let manifest = json!({"spec": {"project": "shop", "items": [{"source": "corp"}, {"source": "other", "path": "shop"}]}});
        for (field, want) in [
            ("spec.project", true),
            ("spec.items[0].source", true),
            ("spec.items[1].source", false),
            ("spec.items[1].path", false),
            ("spec.items[2].source", false),
        ] {
            let mistake = FieldError { field: field.to_owned(), reason: "it does not exist".to_owned() };
            assert_eq!(planned.resolves(&manifest, &mistake), want, "{field}");
        }
    }
}
