//! A server that does not accept the token.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::run::Place;

/// Answers every request with 401 for as long as the test runs; its address.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut read = [0; 4096];
            let _ = stream.read(&mut read);
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.shutdown(Shutdown::Write);
            // Closed before all is read, the answer may be lost with the connection.
            while stream.read(&mut read).is_ok_and(|count| count > 0) {}
        }
    });
    format!("http://{address}")
}

#[test]
fn whatever_is_asked_with_a_token_that_is_not_valid_one_is_told_how_to_log_in() {
    let server = refusing();
    let place = Place::new().with("LOCKSTEP_CONFIG", "config.yaml");
    place.write("config.yaml", &format!("currentContext: a\ncontexts: [{{name: a, server: \"{server}\", token: old}}]\n"));
    let file = place.folder.path().join("config.yaml");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    place.write("p.yaml", "apiVersion: lockstep.dev/v1\nkind: Project\nmetadata: {name: p}\nspec: {}\n");
    let advice =
        format!("does not accept this token: log in again with `lockstep login --server {server} --token-file FILE`, or --sso");
    for words in [
        "get bindings",
        "get binding b",
        "describe binding b",
        "status",
        "apply -f p.yaml",
        "delete binding b",
        "wait --for=condition=InSync --all",
        "cluster register c",
        "cluster pause c",
        "cluster token c",
        "confirm c",
        "rollback b",
        "unpin b",
        "why c corp/kv/a",
        "token create t --role viewer --project p",
        "token revoke t",
        "source check s",
        "rotation run r",
        "rotation history r",
        "ca status",
        "epoch show",
        "log-filter show",
        "log-filter set debug",
        "log-filter reset",
        "deliveries",
        "sync b",
        "audit",
        "audit -f",
        "audit verify",
    ] {
        let done = place.run(words);
        assert!(done.code == 1 && done.stderr.contains(&advice), "{words}: {done:?}");
    }
    for words in ["diff -f p.yaml", "who-has kv/a"] {
        let done = place.run(words);
        assert!(done.code == 2 && done.stderr.contains(&advice), "{words}: {done:?}");
    }
    // It says what it found line by line, and this is one of them.
    let doctor = place.run("doctor");
    assert!(doctor.code == 1 && doctor.stdout.contains(&advice), "{doctor:?}");
}

#[test]
fn without_a_terminal_there_are_no_colours_and_no_progress() {
    let place = Place::new().with("LOCKSTEP_SERVER", &refusing()).with("LOCKSTEP_TOKEN", "old").with("TERM", "xterm-256color");
    let doctor = place.run("doctor");
    assert!(doctor.stdout.starts_with("ok    login ") && doctor.stderr.is_empty(), "{doctor:?}");
    assert!(!doctor.stdout.contains('\u{1b}'), "{doctor:?}");
}

#[test]
fn a_doctor_without_a_login_says_how_to_log_in() {
    let doctor = Place::new().run("doctor");
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.starts_with("fail  login         not logged in: use `lockstep login --server"), "{doctor:?}");
}
