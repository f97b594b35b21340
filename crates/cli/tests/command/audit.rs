//! A history that is longer than what is looked at.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::Place;

/// Changes of the history: each is a page of its own, as where a filter leaves few. More than are looked at unless all are wanted.
const CHANGES: u64 = 203;

/// Answers each request for changes with one; its address.
fn long_history() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut read = [0; 4096];
    let count = stream.read(&mut read).unwrap_or_default();
    let request = String::from_utf8_lossy(&read[..count]).into_owned();
    let after =
        request.split_once("continue=").and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    let seq = after.map_or(CHANGES, |after: u64| after - 1);
    let metadata = if seq > 1 { json!({"continue": seq.to_string()}) } else { json!({}) };
    let change = json!({"epoch": 1, "seq": seq, "at": "2026-01-01T00:00:00Z", "actor": "token:a", "kind": "GrantWritten", "subject": "grant/a", "detail": {}, "hash": "00"});
    let page =
        json!({"apiVersion": "lockstep.dev/v1", "kind": "ChangeList", "metadata": metadata, "items": [change]}).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        page.len()
    );
    let _ = stream.write_all(format!("{head}{page}").as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    // Closed before all is read, the answer may be lost with the connection.
    while stream.read(&mut read).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_history_that_is_cut_is_an_error_for_a_program_and_a_note_for_a_person() {
    let place = Place::new().with("LOCKSTEP_SERVER", &long_history()).with("LOCKSTEP_TOKEN", "t0ken");
    let cut = "the history is longer: older changes were not looked at";
    for output in ["json", "yaml", "name"] {
        place.run(&format!("audit --limit 250 -o {output}")).failed_with(1, &format!("{cut}; narrow it with --since"));
    }
    let table = place.run("audit --limit 250");
    assert!(table.code == 0 && table.stderr.contains(cut) && table.stdout.lines().count() > 100, "{table:?}");
    let few = place.run("audit --limit 3 -o name");
    assert_eq!((few.code, few.stdout.as_str()), (0, "change/201\nchange/202\nchange/203\n"), "{few:?}");
}

#[test]
fn without_a_limit_the_history_is_not_cut() {
    let place = Place::new().with("LOCKSTEP_SERVER", &long_history()).with("LOCKSTEP_TOKEN", "t0ken");
    let done = place.run("audit --limit 0 -o json");
    assert_eq!(done.code, 0, "{done:?}");
    let list: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(list["items"].as_array().map(Vec::len), usize::try_from(CHANGES).ok());
}
