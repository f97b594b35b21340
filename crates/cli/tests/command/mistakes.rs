use crate::run::Place;

const GRANT: &str = "\
apiVersion: lockstep.dev/v1
kind: Grant
metadata:
  name: Payments
spec:
  project: payments
  paths:
    - source: corp
      mount: kv
      globs: ['payments/**', '/x']
  cluster: {}
  clusters: {}
";

const PROJECTS: &str = "\
apiVersion: lockstep.dev/v2
kind: Project
metadata: {name: p}
spec: {}
---
kind: Project
apiVersion: lockstep.dev/v1
metadata: {name: q}
spec: {description: [1]}
";

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_sent() {
    // A server that does not exist: had anything been sent, the error would be another.
    let place = Place::new().with("LOCKSTEP_SERVER", "http://127.0.0.1:1").with("LOCKSTEP_TOKEN", "t");
    place.write("grant.yaml", GRANT);
    place.write("projects.yaml", PROJECTS);
    place.write("broken.json", "{\n  \"kind\": \"Project\",\n  \"kind\": \"Project\"\n}\n");
    for (words, code) in [("apply -f .", 1), ("diff -f .", 2), ("apply -f . --dry-run=client", 1)] {
        let done = place.run(words);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{done:?}");
        let places: Vec<_> = done.stderr.lines().map(|l| l.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
        let want = [
            "error: 5 mistakes in the manifests, nothing was sent:",
            "./broken.json:3: not valid YAML",
            "./grant.yaml:4: metadata.name",
            "./grant.yaml:11: spec.cluster",
            "./projects.yaml:1: apiVersion",
            "./projects.yaml:9: spec.description",
        ];
        let cut = |text: &str| text.replace("error: ", "");
        assert_eq!(places.iter().map(|p| cut(p)).collect::<Vec<_>>(), want.map(cut), "{}", done.stderr);
    }
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let place = Place::new();
    let done = place.run_with_input("apply -f - --dry-run=client", "kind: Pod\n");
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("\nstandard input:1: kind: \"Pod\" is not a kind: use one of Project, Source"), "{done:?}");
}

#[test]
fn manifests_without_mistakes_can_be_checked_without_a_server() {
    let place = Place::new();
    place.write("b.yaml", "# Nothing yet.\n");
    place.write("a.yaml", &PROJECTS.replace("v2", "v1").replace("[1]", "x"));
    let done = place.run("apply -f a.yaml -f b.yaml --dry-run=client");
    assert_eq!(done.stdout, "project/p checked (client dry run)\nproject/q checked (client dry run)\n", "{done:?}");
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn what_is_missing_on_the_command_line_is_said() {
    let place = Place::new();
    place.write("empty.yaml", "# Nothing yet.\n");
    for (words, why) in [
        ("apply", "say which manifests with -f"),
        ("apply a.yaml b.yaml", "a.yaml needs -f before it: `lockstep apply -f a.yaml -f b.yaml`"),
        ("delete a.yaml", "a.yaml needs -f before it: `lockstep delete -f a.yaml`"),
        ("apply -f none.yaml", "cannot read none.yaml"),
        ("apply -f empty.yaml", "there is no manifest in empty.yaml"),
        ("delete", "say what: KIND NAME, KIND/NAME or -f PATH"),
        ("delete bindings", "say which of the bindings"),
        ("delete delivery a", "deliveries are not written by anybody"),
        ("get pods", "\"pods\" is not a kind: use projects (prj), clusters (cl)"),
        ("get bindings --cluster c", "--cluster does not go with bindings"),
        ("get bindings --all", "--all does not go with bindings"),
        ("wait --for=condition=Ready binding/x", "bindings have no condition \"Ready\": use --for=condition=InSync"),
        ("get secrets -l a=b", "--selector does not go with secrets"),
        ("describe binding", "say which, such as `lockstep describe binding NAME`"),
    ] {
        place.run(words).failed_with(1, why);
    }
}

#[test]
fn a_log_filter_for_longer_than_any_is_not_sent() {
    let place = Place::new().with("LOCKSTEP_SERVER", "http://127.0.0.1:1").with("LOCKSTEP_TOKEN", "t");
    place.run("log-filter set debug --ttl 99999d").failed_with(1, "--ttl is too long: a day is the most");
    place.run("log-filter set debug --ttl 30m").failed_with(1, "refused the connection");
}

#[test]
fn namespaces_to_deliver_to_go_with_helm_only_and_nothing_is_registered() {
    // A server that does not exist: had anything been sent, the error would be another.
    let place = Place::new().with("LOCKSTEP_SERVER", "http://127.0.0.1:1").with("LOCKSTEP_TOKEN", "t");
    for words in ["cluster register c --deliver-to shop", "cluster token c --deliver-to shop,other -o json"] {
        place.run(words).failed_with(1, "--deliver-to goes with -o helm only");
    }
    place.run("cluster register c --deliver-to shop -o helm").failed_with(1, "refused the connection");
}
