use std::os::unix::fs::PermissionsExt;

use crate::run::Place;

const CONFIG: &str = "\
currentContext: a
contexts:
- {name: a, server: 'https://a:8443', token: t0ken-a}
- {name: b, server: 'https://b:8443', certificateAuthority: /ca.pem, token: t0ken-b}
";

fn place() -> Place {
    let place = Place::new().with("LOCKSTEP_CONFIG", "config.yaml");
    place.write("config.yaml", CONFIG);
    place
}

#[test]
fn contexts_are_listed_chosen_and_forgotten_without_their_tokens() {
    let place = place();
    let list = "CURRENT   NAME   SERVER\n*         a      https://a:8443\n          b      https://b:8443\n";
    assert_eq!(place.run("context").stdout, list);
    assert_eq!(place.run("context list").stdout, list);
    assert_eq!(place.run("context use b").stdout, "Current context is b.\n");
    let shown = place.run("context show").stdout;
    assert!(shown.contains("https://b:8443") && shown.contains("/ca.pem"), "{shown}");
    let json = place.run("context list -o json").stdout;
    assert!(json.contains("\"name\": \"b\"") && !json.contains("t0ken"), "{json}");
    assert_eq!(place.run("context delete b").stdout, "context/b deleted\n");
    place.run("context show").failed_with(1, "there is no current context");
    place.run("context use b").failed_with(1, "there is no context \"b\": there is a");
}

#[test]
fn the_file_is_its_owners_after_any_change() {
    let place = place();
    let file = place.folder.path().join("config.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.run("context use b").code, 0);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_token_that_others_may_read_is_not_used_until_that_is_mended() {
    let place = place();
    let file = place.folder.path().join("config.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    place.run("status --context a").failed_with(1, "config.yaml can be read by everybody (mode 604): run chmod 600");
    assert_eq!(place.run("context use b").code, 0, "which writes it anew");
}

#[test]
fn a_broken_file_is_named_with_its_line_and_not_quoted() {
    let place = place();
    place.write("config.yaml", "contexts:\n- name: a\n  tokn: t0ken\n");
    let done = place.run("status");
    done.failed_with(1, "config.yaml:");
    assert!(!done.stderr.contains("t0ken"), "{done:?}");
}
