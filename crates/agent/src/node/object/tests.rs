use super::*;

fn one(text: &str) -> Object {
    parse(text).unwrap().remove(0)
}

fn path(path: &str) -> Source {
    Source::Path(path.to_owned())
}

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// The shapes of what Vault's provider documents, and of the classes that it is tested with.
#[test]
fn every_shape_of_a_class_of_vaults_provider_is_understood() {
    let pair = "
      - objectName: \"user\"
        secretPath: \"database/creds/shop\"
        secretKey: \"username\"
      - objectName: \"pass\"
        secretPath: \"database/creds/shop\"
        secretKey: \"password\"";
    let objects = parse(pair).unwrap();
    assert_eq!(objects.len(), 2);
    assert_eq!((&objects[0].source, objects[0].key.as_deref()), (&path("database/creds/shop"), Some("username")));
    assert_eq!((objects[1].id(), objects[1].mode), ("pass".to_owned(), None));

    let with_mode = one("- objectName: one\n  secretPath: secret/data/one\n  secretKey: k\n  filePermission: 0600\n");
    assert_eq!(with_mode.mode.unwrap().bits(), 0o600);
    for encoding in ["utf-8", "base64", "hex", "BASE64"] {
        one(&format!("- objectName: bin\n  secretPath: secret/data/bin\n  secretKey: k\n  encoding: {encoding}\n"));
    }
    // Without a key, the whole secret as JSON; with a method that changes nothing.
    let whole = one("- secretPath: \"v1/secret/one\"\n  objectName: \"one\"\n  method: \"GET\"\n");
    assert_eq!((whole.source, whole.key), (path("secret/one"), None));
    // A slash before a path, a dash on a line of its own, a file in a folder.
    assert_eq!(one("-\n  secretPath: \"/secret/data/one\"\n  objectName: \"tls/one.pem\"\n").source, path("secret/data/one"));
}

#[test]
fn numbers_are_read_as_they_are_written() {
    for (written, bits) in [("0600", 0o600), ("0o640", 0o640), ("384", 0o600), ("\"0400\"", 0o400), ("'0o400'", 0o400)] {
        let object = one(&format!("- binding: b\n  filePermission: {written}\n"));
        assert_eq!(object.mode.unwrap().bits(), bits, "{written}");
    }
    let object = one("- binding: 0123\n  secretKey: 1e3\n  objectName: 0x10\n");
    assert_eq!(
        (object.source, object.key.as_deref(), object.name.as_deref()),
        (Source::Binding("0123".into()), Some("1e3"), Some("0x10"))
    );
    assert_eq!(one("- binding: b\n  secretKey: yes\n").key.as_deref(), Some("yes"));
    assert_eq!(one("- binding: b\n  secretKey: ~\n  objectName: \"\"\n  filePermission: 0\n").name, None);
}

#[test]
fn an_object_is_known_by_its_file_or_by_where_it_comes_from() {
    for (text, id) in [
        ("- {binding: b, objectName: f, secretKey: k}", "f"),
        ("- {binding: b, secretKey: k}", "b#k"),
        ("- {binding: b}", "b"),
        ("- {path: kv/one}", "kv/one"),
        ("- {secretPath: secret/data/one, secretKey: k}", "secret/data/one#k"),
    ] {
        assert_eq!(one(text).id(), id, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let many = "- {binding: b, secretKey: k}\n".repeat(OBJECTS_MAX + 1);
    for (text, part) in [
        ("", "there are none"),
        ("[]", "the list is empty"),
        (&many[..], "there are 65, and a volume has at most 64"),
        ("a: b", "they are a YAML list"),
        ("- {objectName: a}", "[0] (a): it has none of binding, path, secretPath"),
        ("- {binding: b}\n- {binding: b, path: kv/one}", "[1]: it has more than one of binding, path, secretPath"),
        ("- {path: a, secretPath: a}", "more than one of"),
        ("- {binding: b, secretkey: k}", "secretKey"),
        ("- {binding: b, filePermission: 600}", "filePermission 600 is 0o1130 in octal"),
        ("- {binding: b, filePermission: rw}", "filePermission \"rw\" is no number"),
        ("- {binding: b, encoding: base32}", "encoding \"base32\" is none of"),
        ("- {secretPath: pki/issue/web, objectName: c, method: PUT}", "have a Rotation of kind pki"),
        ("- {secretPath: pki/issue/web, objectName: c, secretArgs: {common_name: x}}", "have a Rotation of kind pki"),
        ("- {secretPath: \"secret/data/a?version=1\", objectName: a}", "`version` at the binding's item"),
        ("- {binding: b, objectName: ../a}", "leads elsewhere"),
        ("- {binding: b, objectName: /a}", "begins at the root"),
        (
            "- {binding: b, secretKey: k, objectName: f}\n- {binding: c, secretKey: k, objectName: f}",
            "object \"f\" of \"b#k\" and object \"f\" of \"c#k\" would both be file",
        ),
        ("- {binding: b, objectName: f}\n- {binding: c, objectName: f/g}", "in each other's way"),
        ("- &a {binding: b}\n- {binding: [1]}", "objects:"),
    ] {
        let error = error(text);
        assert!(error.contains(part), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
        eprintln!("{error}");
    }
}
