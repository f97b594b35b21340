//! Titles and what is below them, as `kubectl describe` has them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::format::yaml;
use crate::table::cell::Cell;
use crate::{age, clock};

/// Wide enough for the longest title of one line.
const TITLE_WIDTH: usize = 20;
const INDENT: &str = "  ";
/// Shown in sections of their own.
const OWN_SECTIONS: [&str; 2] = ["conditions", "deliveries"];

/// The text so far.
#[derive(Default)]
pub(super) struct Sections(String);

impl Sections {
    /// Metadata, `spec` and `status` of a manifest.
    pub(super) fn manifest(self, manifest: &Value) -> Self {
        let metadata = &manifest["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let created = text(&metadata["creationTimestamp"]);
        let age = created.parse().map(|then| format!(" ({} ago)", age::ago(then, clock::now()))).unwrap_or_default();
        let mut status = manifest["status"].clone();
        if let Some(fields) = status.as_object_mut() {
            fields.retain(|key, _| !OWN_SECTIONS.contains(&key.as_str()));
        }
        self.line("Name", &text(&metadata["name"]))
            .line("Kind", &text(&manifest["kind"]))
            .map("Labels", &metadata["labels"])
            .map("Annotations", &metadata["annotations"])
            .line("Created", &format!("{created}{age}"))
            .line("UID", &text(&metadata["uid"]))
            .line("Resource version", &text(&metadata["resourceVersion"]))
            .value("Spec", &manifest["spec"])
            .value("Status", &status)
    }

    /// The fields of an item without sections.
    pub(super) fn fields(self, item: &Value) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        item.as_object().into_iter().flatten().fold(self, |sections, (key, value)| match value {
            Value::Object(_) | Value::Array(_) => sections.value(&titled(key), value),
            value => sections.line(&titled(key), &text(value)),
        })
    }

    /// One line.
    pub(super) fn line(mut self, title: &str, text: &str) -> Self {
        let title = format!("{title}:");
        if let Cell::Text(text) = Cell::text(text) {
            let _ = writeln!(self.0, "{title:TITLE_WIDTH$}{text}");
        }
        self
    }

    /// Several lines, indented.
    pub(super) fn block(mut self, title: &str, text: &str) -> Self {
        let _ = writeln!(self.0, "{title}:");
        for line in text.lines() {
            let _ = writeln!(self.0, "{INDENT}{line}");
        }
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn map(self, title: &str, map: &Value) -> Self {
        let entries = map.as_object().into_iter().flatten();
        let lines: Vec<_> = entries.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        if lines.is_empty() {
            return self.line(title, "<none>");
        }
        lines.iter().enumerate().fold(self, |sections, (i, line)| sections.line_of_map(title, i == 0, line))
    }

    fn line_of_map(mut self, title: &str, first: bool, line: &str) -> Self {
        if first {
            return self.line(title, line);
        }
        let _ = writeln!(self.0, "{:TITLE_WIDTH$}{line}", "");
        self
    }

    fn value(self, title: &str, value: &Value) -> Self {
        let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        match yaml(value) {
            Ok(text) if !empty => self.block(title, &text),
            _ => self.line(title, "<none>"),
        }
    }
}

/// `versionCreatedAt` as `Version created at`.
fn titled(key: &str) -> String {
    let mut title = String::with_capacity(key.len() + 4);
    for (i, c) in key.chars().enumerate() {
        match c {
            c if i == 0 => title.extend(c.to_uppercase()),
            c if c.is_uppercase() => {
                title.push(' ');
                title.extend(c.to_lowercase());
            }
            c => title.push(c),
        }
    }
    title
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_is_shown_in_sections() {
        let manifest = json!({
            "kind": "Cluster",
            "metadata": {"name": "c", "labels": {"env": "prod", "region": "eu"}},
            "spec": {},
            "status": {"state": "Active", "conditions": [1], "deliveries": {"InSync": 1}},
        });
        let text = Sections::default().manifest(&manifest).finish();
        let want = "Name:               c\nKind:               Cluster\nLabels:             env=prod\n                    region=eu\nAnnotations:        <none>\n";
        assert!(text.starts_with(want), "{text}");
        assert!(text.ends_with("Spec:               <none>\nStatus:\n  state: Active\n"), "{text}");
    }

    #[test]
    fn fields_get_titles() {
        let text = Sections::default().fields(&json!({"versionCreatedAt": "x", "version": 3})).finish();
        assert_eq!(text, "Version:            3\nVersion created at: x\n");
    }
}
