use crate::run::Place;

/// Nothing listens on port 1 of any machine that runs tests.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn without_a_login_every_command_says_how_to_log_in() {
    let place = Place::new();
    place.write("p.yaml", "apiVersion: lockstep.dev/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n");
    for words in [
        "get bindings",
        "describe binding b",
        "status",
        "apply -f p.yaml",
        "delete binding b",
        "wait --for=condition=InSync --all",
        "cluster register c",
        "epoch show",
    ] {
        place.run(words).failed_with(1, "not logged in: use `lockstep login --server");
    }
    place.run("diff -f p.yaml").failed_with(2, "not logged in");
}

#[test]
fn a_refused_connection_is_told_in_one_sentence() {
    let place = Place::new().with("LOCKSTEP_SERVER", NOBODY).with("LOCKSTEP_TOKEN", "t0ken");
    for words in ["get bindings", "status", "epoch open --reason x", "cluster pause c"] {
        place.run(words).failed_with(1, "http://127.0.0.1:1 refused the connection: is the server running there");
    }
}

#[test]
fn applying_stops_at_once_when_there_is_no_server() {
    let place = Place::new().with("LOCKSTEP_SERVER", NOBODY).with("LOCKSTEP_TOKEN", "t0ken");
    let project = "apiVersion: lockstep.dev/v1\nkind: Project\nmetadata: {name: NAME}\nspec: {}\n---\n";
    let done = place.run_with_input("apply -f -", &(project.replace("NAME", "a") + &project.replace("NAME", "b")));
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    let lines: Vec<_> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{done:?}");
    assert!(lines[0].starts_with("error: project/a: http://127.0.0.1:1 refused the connection"), "{done:?}");
}

#[test]
fn waiting_goes_on_until_the_time_is_over_and_then_says_what_is_missing() {
    let place = Place::new().with("LOCKSTEP_SERVER", NOBODY).with("LOCKSTEP_TOKEN", "t0ken");
    let done = place.run("wait --for=condition=InSync binding/b --timeout 1s");
    done.failed_with(1, "timed out after 1s: http://127.0.0.1:1 refused the connection");
}

#[test]
fn a_failed_login_keeps_nothing_and_shows_no_token() {
    let place = Place::new();
    place.write("token", "t0ken\n");
    for (words, input, why) in [
        ("login --server http://127.0.0.1:1 --token-file token", "", "refused the connection"),
        ("login --server http://127.0.0.1:1 --token-stdin", "t0ken", "refused the connection"),
        ("login --server http://127.0.0.1:1", "", "--token-file FILE, --token-stdin or LOCKSTEP_TOKEN"),
        ("login --token-file token", "", "say which server with --server"),
        ("login --server http://lockstep.example.com --token-file token", "", "is not encrypted"),
        ("login --server https://127.0.0.1:1 --token-file none", "", "cannot read the token in none"),
        ("login --server https://127.0.0.1:1 --certificate-authority token --token-file token", "", "holds no certificate"),
    ] {
        let done = place.run_with_input(words, input);
        done.failed_with(1, why);
        assert!(!done.stderr.contains("t0ken"), "{done:?}");
    }
    assert!(!place.folder.path().join(".config").exists());
}

#[test]
fn what_names_the_server_wrongly_is_named() {
    let place = Place::new().with("LOCKSTEP_CONFIG", "config.yml");
    place.run("status").failed_with(1, "LOCKSTEP_CONFIG names config.yml, which does not exist: correct it, or log in");
    let place = Place::new();
    place.run("status --server host:8443").failed_with(1, "\"host:8443\" is not a server's address (--server");
    place.run("status --server host:8443").failed_with(1, "such as https://host:8443");
    let place = Place::new().with("LOCKSTEP_TOKEN", "two words");
    place.run("status").failed_with(1, "reading LOCKSTEP_TOKEN: the token is empty or is not one line");
}

#[test]
fn words_of_the_wrong_shape_are_told_before_anything_is_asked_for() {
    let place = Place::new().with("LOCKSTEP_SERVER", NOBODY).with("LOCKSTEP_TOKEN", "t0ken");
    for words in ["get secret checkout", "describe secret checkout"] {
        place.run(words).failed_with(1, "\"checkout\" names no secret: write SOURCE/MOUNT/PATH");
    }
}

#[test]
fn a_token_is_not_sent_to_another_server_than_its_own() {
    let place = Place::new().with("LOCKSTEP_CONFIG", "config.yaml");
    place.write("config.yaml", "currentContext: a\ncontexts: [{name: a, server: 'https://a:8443', token: t0ken}]\n");
    place.run("status --server http://127.0.0.1:1").failed_with(1, "no token for http://127.0.0.1:1");
}
