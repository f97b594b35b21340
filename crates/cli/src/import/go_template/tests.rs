use std::collections::BTreeMap;

use lockstep_core::binding::{Delivered, Item, SecretRef, Target};
use lockstep_core::engine::Engine;
use lockstep_core::material::Material;
use lockstep_core::template::render;

use super::*;

/// What `text` makes of a secret, in our words.
fn rendered(text: &str, root: Root) -> String {
    let secret = SecretRef {
        source: "corp".parse().unwrap(),
        engine: Engine::KvV2,
        mount: "kv".parse().unwrap(),
        path: "a".parse().unwrap(),
    };
    let item = Item { secret: secret.into(), keys: BTreeMap::new(), pin: None, base64: [].into() };
    let translated = translate(text, root).unwrap_or_else(|why| panic!("{text}: {why}"));
    let delivered = Delivered {
        templates: [("out".to_owned(), translated.text)].into(),
        templates_only: true,
        ..Delivered::new(vec![item], Target::Directory { name: "d".parse().unwrap() })
    };
    let values = [("user", "ada"), ("password", " p'w\n"), ("tls.crt", "PEM"), ("none", ""), ("b64", "aGk="), ("if", "word")];
    let material: BTreeMap<_, _> = values.map(|(key, value)| (key.to_owned(), Material::new(value.into()))).into();
    let content = render(&delivered, &[Some(&material)]).unwrap_or_else(|why| panic!("{text}: {why}"));
    String::from_utf8(content.get("out").unwrap().expose().to_vec()).unwrap()
}

#[test]
fn what_is_translated_renders_what_go_renders() {
    for (text, want) in [
        ("{{ .user }}:{{.password}}", "ada: p'w\n"),
        (
            "{\"auths\": {\"r\": {\"auth\": \"{{ printf \"%s:%s\" .user .password | b64enc }}\"}}}",
            "{\"auths\": {\"r\": {\"auth\": \"YWRhOiBwJ3cK\"}}}",
        ),
        ("{{ index . \"tls.crt\" }}", "PEM"),
        ("{{ .b64 | b64dec | upper }}", "HI"),
        ("{{ .password | trim | replace \"'\" \"-\" }}", "p-w"),
        ("{{ .none | default \"x\" }}{{ default \"y\" .user }}", "xada"),
        ("{{ .user | squote }}", "'ada'"),
        ("{{ .if }}", "word"),
        ("a\n  {{- if and .user (not .none) }} yes {{- else }} no {{- end }}\n", "a yes\n"),
        ("{{ if eq .user \"bob\" }}b{{ else if ne .user \"eve\" }}n{{ end }}", "n"),
        ("{{/* nothing */}}{%{ {# {{ .user }}", "{%{ {# ada"),
        ("{{ \"}}{{\" }}{{ printf \"100%%\" }}", "}}{{100%"),
        ("a {{ .user -}}  \n b", "a adab"),
        ("{{ .user | toString }}\n", "ada\n"),
    ] {
        assert_eq!(rendered(text, Root::Top), want, "{text}");
    }
    for text in ["{{ get .Secrets \"user\" }}", "{{ .Secrets.user }}", "{{- index .Secrets \"user\" -}}"] {
        assert_eq!(rendered(text, Root::Secrets), "ada", "{text}");
    }
}

#[test]
fn what_has_no_equal_is_named() {
    for (text, why) in [
        ("{{ .key | pkcs12key }}", "function pkcs12key"),
        ("{{ .a | quote }}", "function quote"),
        ("{{ .a | indent 4 }}", "number 4"),
        ("{{ range $k, $v := . }}{{ end }}", "variable"),
        ("{{ range . }}{{ end }}", "whole secret"),
        ("{{ . | toJson }}", "whole secret"),
        ("{{ `{{ .a }}` }}", "helm template"),
        ("{{ .data.a }}", ".data.a"),
        ("{{ index .data \"a\" }}", "index of .data"),
        ("{{ printf \"%d\" .a }}", "function printf"),
        ("{{ if .a }}", "without its `end`"),
        ("{{ .a", "without its }}"),
        ("{{ end }}", "function end"),
    ] {
        let error = translate(text, Root::Top).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(translate("{{ .Metadata.custom_metadata }}", Root::Secrets).unwrap_err().contains("no key"));
    assert_eq!(translate("{{ .a }}{{ index . \"b-c\" }}", Root::Top).unwrap().keys, ["a", "b-c"]);
}
