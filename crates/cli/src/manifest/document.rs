//! A file's text as documents.

use serde_json::Value;
use serde_saphyr::{Error, UserMessageFormatter};

use super::file::File;
use super::lines::Lines;
use super::mistake::Mistake;
use super::node::{self, Node};

/// One document: its value and the line of every field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) lines: Lines,
}

/// The documents of `file`, and what is no YAML in it. JSON is YAML.
///
/// Each document is parsed by itself, so that a syntax error in one does not hide the mistakes in the others.
pub(super) fn parse(file: &File) -> (Vec<Document>, Vec<Mistake>) {
    let (mut documents, mut mistakes) = (Vec::new(), Vec::new());
    for (before, text) in split(&file.text) {
        // `yes` and `off` are text, as in YAML 1.2: a label of that value must not become `true`.
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        match serde_saphyr::from_multiple_with_options::<Node>(text, options) {
            Ok(nodes) => documents.extend(nodes.into_iter().map(|node| {
                let mut lines = Lines::new(before, node.referenced.line());
                let value = node::flatten(node, "", &mut lines);
                Document { value, lines }
            })),
            Err(error) => mistakes.push(mistake(&file.name, before, &error)),
        }
    }
    (documents, mistakes)
}

/// Cuts at each `---`, which at the beginning of a line always begins a document. With the number of lines before each part.
fn split(text: &str) -> Vec<(u64, &str)> {
    let is_marker =
        |line: &str| line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
    let (mut parts, mut from, mut before, mut offset) = (Vec::new(), 0, 0, 0);
    for (number, line) in (0_u64..).zip(text.split_inclusive('\n')) {
        if is_marker(line) && offset > from {
            parts.push((before, &text[from..offset]));
            (from, before) = (offset, number);
        }
        offset += line.len();
    }
    parts.push((before, &text[from..]));
    parts
}

fn mistake(file: &str, before: u64, error: &Error) -> Mistake {
    let message = error.render_with_formatter(&UserMessageFormatter);
    let (line, message) = match error.location() {
        None => (before + 1, message.as_str()),
        Some(at) => {
            // The line of the part is not the line of the file.
            let suffix = format!(" at line {}, column {}", at.line(), at.column());
            (before + at.line(), message.strip_suffix(&suffix).unwrap_or(&message))
        }
    };
    Mistake { file: file.to_owned(), line, field: String::new(), reason: format!("not valid YAML: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { name: "f.yaml".to_owned(), text: text.to_owned() }
    }

    const TWO: &str = "\
# A comment.
kind: Binding
metadata: {name: a,
  labels: {lockstep.dev/owner: x}}
spec:
  items:
    - source: corp
      path: a/b
    - {source: corp,
       path: c}
---
# Another.
kind: Grant
spec:
  text: |
    one
    --- two
  after: 1
";

    #[test]
    fn every_field_has_its_line() {
        let (documents, mistakes) = parse(&file(TWO));
        assert_eq!(mistakes, []);
        for (document, field, line) in [
            (0, "", 2),
            (0, "kind", 2),
            (0, "metadata", 3),
            (0, "metadata.name", 3),
            (0, "metadata.labels.lockstep.dev/owner", 4),
            (0, "spec.items", 6),
            (0, "spec.items[0]", 7),
            (0, "spec.items[0].path", 8),
            (0, "spec.items[1].path", 10),
            // Missing: where it should be.
            (0, "spec.items[0].mount", 7),
            (0, "spec.items[7]", 6),
            (0, "spec.project", 5),
            (0, "status", 2),
            (1, "kind", 13),
            (1, "spec.text", 15),
            (1, "spec.after", 18),
        ] {
            assert_eq!(documents[document].lines.of(field), line, "{field}");
        }
    }

    #[test]
    fn values_are_what_yaml_1_2_says() {
        let text = "a: yes\nb: true\nc: 1\nd: ~\ne: '1'\nf: &x {g: 1.5}\nh: *x\ni: {<<: *x, j: -2}\nk: no\nl: 0o17\n";
        let (documents, mistakes) = parse(&file(text));
        assert_eq!(mistakes, []);
        let want = serde_json::json!({
            "a": "yes", "b": true, "c": 1, "d": null, "e": "1", "f": {"g": 1.5}, "h": {"g": 1.5}, "i": {"g": 1.5, "j": -2},
            "k": "no", "l": 15,
        });
        assert_eq!(documents[0].value, want);
    }

    #[test]
    fn json_is_read_too() {
        let (documents, mistakes) =
            parse(&file("{\n  \"kind\": \"Grant\",\n  \"spec\": {\n    \"paths\": [\n      1\n    ]\n  }\n}\n"));
        assert_eq!(mistakes, []);
        assert_eq!(documents[0].value["spec"]["paths"][0], 1);
        assert_eq!(documents[0].lines.of("spec.paths[0]"), 5);
    }

    #[test]
    fn a_syntax_error_in_one_document_does_not_hide_the_others() {
        let (documents, mistakes) = parse(&file("kind: A\n---\na: [1\n---\nkind: B\n---\nb: 1\nb: 2\n"));
        let kinds: Vec<_> = documents.iter().map(|d| d.value["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B"]);
        let lines: Vec<_> = mistakes.iter().map(|m| m.line).collect();
        assert_eq!(lines, [3, 8], "{mistakes:#?}");
        assert!(!mistakes[0].reason.contains("line"), "{mistakes:#?}");
    }

    #[test]
    fn empty_documents_are_none() {
        for text in ["", "---\n", "# only a comment\n", "---\n---\n# x\n", "\u{feff}"] {
            assert_eq!(parse(&file(text)), (vec![], vec![]), "{text:?}");
        }
    }
}
