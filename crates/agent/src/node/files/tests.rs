use super::*;
use crate::node::object;

fn content(version: &str, entries: &[(&str, &[u8])]) -> ObjectContent {
    let entries = entries.iter().map(|(key, value)| Entry { key: (*key).to_owned(), value: value.to_vec() }).collect();
    ObjectContent { version: version.to_owned(), entries, stale: false }
}

fn made(objects: &str, contents: Vec<ObjectContent>) -> Result<Volume, Refusal> {
    volume(&object::parse(objects).unwrap(), Mode::DEFAULT, ReadResponse { objects: contents })
}

fn error(objects: &str, contents: Vec<ObjectContent>) -> String {
    let error = made(objects, contents).expect_err(objects).to_string();
    assert!(!error.contains("canary"), "{error}");
    eprintln!("{error}");
    error
}

fn files(volume: &Volume) -> Vec<(&str, i32, &[u8])> {
    volume.response.files.iter().map(|file| (&*file.path, file.mode, &*file.contents)).collect()
}

#[test]
fn an_object_with_a_key_is_one_file() {
    let made = made(
        "- {binding: db, secretKey: password, objectName: db/pass, filePermission: 0400}\n- {path: kv/one, secretKey: k}",
        vec![content("1", &[("password", b"x")]), content("2", &[("k", b"\xff")])],
    )
    .unwrap();
    assert_eq!(files(&made), [("db/pass", 0o400, &b"x"[..]), ("k", 0o644, b"\xff")]);
    let versions: Vec<_> = made.response.object_version.iter().map(|v| (&*v.id, &*v.version)).collect();
    assert_eq!(versions, [("db/pass", "1"), ("kv/one#k", "2")]);
    assert!(!made.is_stale && made.response.error.is_none());
}

#[test]
fn an_object_with_a_name_and_no_key_is_one_file_of_json() {
    let made = made(
        "- {secretPath: secret/data/one, objectName: all.json}",
        vec![content("1", &[("a", b"1\"\n"), ("b", "ü".as_bytes())])],
    );
    assert_eq!(files(&made.unwrap()), [("all.json", 0o644, "{\"a\":\"1\\\"\\n\",\"b\":\"ü\"}".as_bytes())]);
    let error = error("- {binding: db, objectName: all.json}", vec![content("1", &[("a", b"\xffcanary")])]);
    assert!(error.contains("\"a\" is not text") && error.contains("secretKey"), "{error}");
}

#[test]
fn an_object_without_name_and_key_is_a_file_for_each_key() {
    let made =
        made("- {binding: tls, encoding: base64}", vec![content("1", &[("tls.crt", b"QQ=="), ("tls.key", b"Qg==")])]).unwrap();
    assert_eq!(files(&made), [("tls.crt", 0o644, &b"A"[..]), ("tls.key", 0o644, b"B")]);
    for key in ["../x", "/etc/x", "a//b", ""] {
        let error = error("- {path: kv/one}", vec![content("1", &[(key, b"canary")])]);
        assert!(error.contains("cannot be a file of the volume"), "{error}");
    }
    let twice =
        error("- {binding: a}\n- {binding: b}", vec![content("1", &[("k", b"canary")]), content("1", &[("k", b"canary")])]);
    assert!(twice.contains("object \"a\" and object \"b\" would both be file \"k\""), "{twice}");
}

#[test]
fn a_value_that_is_not_encoded_as_the_class_says_is_refused_without_it() {
    let error = error("- {binding: b, secretKey: k, encoding: hex}", vec![content("1", &[("k", b"canary")])]);
    assert!(error.contains("the value of key \"k\" is not hex"), "{error}");
}

#[test]
fn a_volume_is_not_larger_than_the_driver_takes_and_the_object_is_named() {
    let value = vec![b'c'; 1 << 20];
    let object = |i: usize| format!("- {{binding: b{i}, secretKey: k, objectName: f{i}}}\n");
    let objects = |count: usize| (0..count).map(object).collect::<Vec<_>>().concat();
    let contents = |count: usize| (0..count).map(|_| content("1", &[("k", &value[..])])).collect::<Vec<_>>();
    made(&objects(3), contents(3)).unwrap();
    let error = error(&objects(4), contents(4));
    assert!(error.contains("object \"f3\" of \"b3#k\"") && error.contains("several volumes"), "{error}");
}

#[test]
fn an_answer_that_does_not_fit_the_question_makes_no_volume() {
    error("- {binding: a}\n- {binding: b}", vec![content("1", &[("k", b"canary")])]);
    error("- {binding: a}", vec![content("1", &[])]);
    error("- {binding: a, secretKey: k}", vec![content("1", &[("k", b"canary"), ("l", b"canary")])]);
}

#[test]
fn one_object_that_may_be_old_makes_the_volume_so() {
    let old = ObjectContent { stale: true, ..content("2", &[("l", b"x")]) };
    assert!(made("- {binding: a}\n- {binding: b}", vec![content("1", &[("k", b"x")]), old]).unwrap().is_stale);
}
