//! From `-f` to manifests that are worth sending.

use std::collections::HashSet;

use serde_json::Value;

use super::check::{Depth, check};
use super::document::{self, Document};
use super::file::{File, FileArgs};
use super::mistake::Mistakes;
use super::object::{Object, Place};

/// The manifests of all files, in the order they are applied; or every mistake in any of them.
pub(crate) fn read(args: &FileArgs, depth: Depth) -> anyhow::Result<Vec<Object>> {
    let files = args.read()?;
    let mut objects = examine(&files, depth)?;
    if objects.is_empty() {
        anyhow::bail!("there is no manifest in {}", files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "));
    }
    // Stable: within a kind, as written.
    objects.sort_by_key(|object| object.kind);
    Ok(objects)
}

/// Everything in the files as written, whosever kinds it is, with the file and line of each.
pub(crate) fn read_foreign(args: &FileArgs) -> anyhow::Result<Vec<(Value, String)>> {
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    for file in args.read()? {
        let (documents, broken) = document::parse(&file);
        mistakes.extend(broken);
        found.extend(documents.into_iter().flat_map(|document| unfold(document, &file.name)));
    }
    let found = found.into_iter().map(|(value, place)| (value, place.to_string())).collect();
    Mistakes::new(mistakes).map_or(Ok(found), |mistakes| Err(mistakes.into()))
}

/// What `apply` would say of a manifest that was made here, with the field of each mistake.
pub(crate) fn mistakes_in(manifest: String) -> Result<(), String> {
    let file = File { name: String::new(), text: manifest };
    examine(&[file], Depth::Whole).map(drop).map_err(|mistakes| mistakes.without_places())
}

fn examine(files: &[File], depth: Depth) -> Result<Vec<Object>, Mistakes> {
    let (mut objects, mut mistakes, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for file in files {
        let (documents, mut found) = document::parse(file);
        for (manifest, place) in documents.into_iter().flat_map(|document| unfold(document, &file.name)) {
            let Some(object) = check(manifest, place, depth, &mut found) else { continue };
            if !seen.insert((object.kind, object.name.clone())) {
                found.push(object.place.mistake("metadata.name", format!("{object} is there twice: keep one")));
            }
            objects.push(object);
        }
        found.sort_by_key(|mistake| mistake.line);
        mistakes.extend(found);
    }
    Mistakes::new(mistakes).map_or(Ok(objects), Err)
}

/// A document, or what it lists: what `get -o yaml` writes can be applied again.
fn unfold(document: Document, file: &str) -> Vec<(Value, Place)> {
    let Document { mut value, lines } = document;
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => {
            let item = |(i, item)| (item, Place::new(file, format!("items[{i}]."), lines.clone()));
            items.into_iter().enumerate().map(item).collect()
        }
        Some(other) => {
            value["items"] = other;
            vec![(value, Place::new(file, String::new(), lines))]
        }
        None => vec![(value, Place::new(file, String::new(), lines))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File { name: name.to_owned(), text: text.to_owned() }
    }

    fn lines_of(result: Result<Vec<Object>, Mistakes>) -> Vec<String> {
        result.unwrap_err().to_string().lines().skip(1).map(ToOwned::to_owned).collect()
    }

    const BINDING: &str = "\
apiVersion: lockstep.dev/v1
kind: Binding
metadata: {name: checkout-db, labels: {team: check out}}
spec:
  project: Payments
  items:
    - {source: corp, mount: kv, path: a/../b}
  target:
    secret: {name: s, namespaces: [n]}
  deletionPolicy: Keep
";

    #[test]
    fn all_mistakes_of_all_files_are_told_at_once() {
        let broken = file("b.yaml", "a: [1\n");
        let unknown = file(
            "c.yaml",
            "kind: Pod\nmetadata: {name: A}\n---\napiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {name: g}\nspec:\n  projekt: x\n  clusters: {}\n  paths: 1\n---\n- 1\n",
        );
        let got = lines_of(examine(&[file("a.yaml", BINDING), broken, unknown], Depth::Whole));
        let places: Vec<_> = got.iter().map(|l| l.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
        let want = [
            "a.yaml:3: metadata.labels.team",
            "a.yaml:5: spec.project",
            "a.yaml:7: spec.items[0].path",
            "a.yaml:10: spec.deletionPolicy",
            "b.yaml:1: not valid YAML",
            "c.yaml:1: apiVersion",
            "c.yaml:1: kind",
            "c.yaml:2: metadata.name",
            "c.yaml:7: spec",
            "c.yaml:8: spec.projekt",
            "c.yaml:10: spec.paths",
            "c.yaml:12: not a manifest",
        ];
        assert_eq!(places, want, "{got:#?}");
    }

    #[test]
    fn the_same_thing_twice_is_a_mistake() {
        let project = "apiVersion: lockstep.dev/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n";
        let twice = file("a.yaml", &format!("{project}---\n{project}"));
        let got = lines_of(examine(&[twice], Depth::Whole));
        assert_eq!(got, ["a.yaml:8: metadata.name: project/p is there twice: keep one"]);
    }

    #[test]
    fn a_list_is_its_items_and_their_lines_are_right() {
        let text = "kind: ProjectList\nitems:\n  - {apiVersion: lockstep.dev/v1, kind: Project, metadata: {name: p}, spec: {}, status: {x: 1}}\n  - kind: Project\n";
        let got = lines_of(examine(&[file("l.yaml", text)], Depth::Whole));
        assert!(got.iter().all(|l| l.starts_with("l.yaml:4: items[1]")), "{got:#?}");
        assert_eq!(got.len(), 2, "{got:#?}");
    }

    #[test]
    fn deleting_needs_no_more_than_kind_and_name() {
        let objects = examine(&[file("a.yaml", BINDING)], Depth::Identity).unwrap();
        assert_eq!(objects[0].to_string(), "binding/checkout-db");
        assert!(examine(&[file("a.yaml", BINDING)], Depth::Whole).is_err());
    }

    #[test]
    fn a_spec_with_nothing_that_must_be_said_may_be_left_out() {
        let manifest = |kind: &str| format!("apiVersion: lockstep.dev/v1\nkind: {kind}\nmetadata: {{name: x}}\n");
        assert!(examine(&[file("a.yaml", &manifest("Project"))], Depth::Whole).is_ok());
        let got = lines_of(examine(&[file("a.yaml", &manifest("Binding"))], Depth::Whole));
        assert_eq!(got, ["a.yaml:1: spec: missing field `project`"]);
    }

    #[test]
    fn a_missing_field_is_placed_where_it_should_be() {
        let text = "apiVersion: lockstep.dev/v1\nkind: Binding\nmetadata: {name: b}\nspec:\n  project: p\n  target: {directory: {name: d}}\n";
        let got = lines_of(examine(&[file("a.yaml", text)], Depth::Whole));
        assert_eq!(got, ["a.yaml:4: spec: missing field `items`"]);
    }
}
