//! The forms in which bytes turn up in text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// What `bytes` look like raw and after encoders that our code, its libraries and Postgres have: a name, and what to look for.
pub(crate) fn forms(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut forms = vec![
        ("raw", text.clone()),
        ("JSON", json(&text)),
        // JSON as a string in JSON, such as a log line that quotes a body.
        ("JSON in JSON", json(&json(&text))),
        ("JSON in ASCII", ascii(&json(&text))),
        ("Rust's Debug", debug(&text)),
        ("Rust's Debug of JSON", debug(&json(&text))),
        ("Rust's escape_default", text.escape_default().collect()),
        ("Postgres' COPY", copy(&text)),
        ("Postgres' COPY of JSON", copy(&json(&text))),
        ("hex", hex::encode(bytes)),
        ("hex in capitals", hex::encode_upper(bytes)),
        ("URL", percent(bytes, "%20", false)),
        ("URL in small letters", percent(bytes, "%20", true)),
        ("URL form", percent(bytes, "+", false)),
        ("list of numbers", list(bytes, ", ")),
        ("short list of numbers", list(bytes, ",")),
    ];
    for (name, alphabet) in [("base64", alphabet::STANDARD), ("base64url", alphabet::URL_SAFE)] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        forms.extend((0..3).map(|before| (name, aligned(&engine, bytes, before))));
    }
    forms
}

/// What is the same in every base64 text in which `before` bytes (modulo 3) come before these and any after.
fn aligned(engine: &GeneralPurpose, bytes: &[u8], before: usize) -> String {
    let mut padded = vec![0; before];
    padded.extend(bytes);
    let encoded = engine.encode(&padded);
    // The first characters hold bits of what comes before, the last one of what comes after.
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    encoded[first..last].to_owned()
}

fn json(text: &str) -> String {
    unquoted(&serde_json::Value::from(text).to_string())
}

fn debug(text: &str) -> String {
    unquoted(&format!("{text:?}"))
}

fn unquoted(quoted: &str) -> String {
    quoted[1..quoted.len() - 1].to_owned()
}

fn ascii(text: &str) -> String {
    let mut units = [0; 2];
    let escape = |c: char, units: &mut [u16; 2]| match c {
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(units).iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat(),
    };
    text.chars().map(|c| escape(c, &mut units)).collect()
}

fn copy(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r")
}

fn percent(bytes: &[u8], space: &str, small: bool) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        b' ' => space.to_owned(),
        byte if small => format!("%{byte:02x}"),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn list(bytes: &[u8], separator: &str) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(separator)
}
