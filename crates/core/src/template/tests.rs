use super::*;
use crate::binding::tests::{item, spec};

/// In every value: no error may show it.
const CANARY: &str = "canary";

fn delivered(templates: &[(&str, &str)]) -> Delivered {
    let mut delivered = spec(vec![item("a", &[])], "").delivered;
    delivered.templates = templates.iter().map(|(k, t)| ((*k).to_owned(), (*t).to_owned())).collect();
    delivered.templates_only = true;
    delivered
}

fn material(pairs: &[(&str, &[u8])]) -> BTreeMap<String, Material> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.to_vec()))).collect()
}

fn values() -> BTreeMap<String, Material> {
    material(&[
        ("user", b"u/ser"),
        ("password", b"canary <p&w>"),
        ("tls.crt", b"canary-crt"),
        ("encoded", b"Y2FuYXJ5"),
        ("jks", b"canary\xff\xfe"),
        ("keys", b"canary-keys"),
    ])
}

pub(super) fn made(text: &str) -> Result<String, TemplateError> {
    let rendered = render(&delivered(&[("T", text)]), &[Some(&values())])?;
    Ok(String::from_utf8(rendered.get("T").unwrap().expose().to_vec()).unwrap())
}

#[test]
fn a_template_is_made_of_the_bindings_keys() {
    for (text, want) in [
        ("", ""),
        ("plain\n", "plain\n"),
        ("{{ user }}:{{ password }}", "u/ser:canary <p&w>"),
        ("{{ keys[\"tls.crt\"] }}{{ keys.user }}{{ keys[\"keys\"] }}", "canary-crtu/sercanary-keys"),
        ("{{ user | b64encode }} {{ encoded | b64decode }}", "dS9zZXI= canary"),
        ("{{ user | tojson }} {{ password | urlencode }}", "\"u/ser\" canary%20%3Cp%26w%3E"),
        ("{{ keys | length }} {{ (user | tojson) ~ \"<\" }}", "6 \"u/ser\"<"),
        ("{{ missing | default(\"x\") }}{% if missing is defined %}y{% endif %}", "x"),
        ("{% for k in keys if k is startingwith(\"u\") %}{{ k }}={{ keys[k] | upper }};{% endfor %}", "user=U/SER;"),
        ("{% for i in [\"a\", \"b\"] %}{{ loop.index }}{{ i }}{% endfor %}{{ user in [\"x\", 1, true] }}", "1a2bFalse"),
        ("{% set x = user ~ 1 %}{% with y = x %}{{ y }}{% endwith %}{% if x == \"u/ser1\" %}!{% endif %}", "u/ser1!"),
        ("{% set b %}{{ user }}{% endset %}{% filter upper | trim %} {{ b[:2] }} {% endfilter %}", "U/"),
        ("{{ \"a\\n\\nb\\n\" | indent(2) }}|{{ \"a\\nb\" | indent(width=1, first=true) }}", "a\n\n  b| a\n b"),
        ("{{ \"<&'\" | e }} {{ 5 | e }}", "&lt;&amp;&#x27; 5"),
        ("{# a comment #}{% raw %}{{ user }}{% endraw %}", "{{ user }}"),
    ] {
        assert_eq!(made(text), Ok(want.to_owned()), "{text}");
    }
}

#[test]
fn a_template_sees_the_bytes_of_a_key_that_is_base64() {
    let mut delivered = delivered(&[("T", "{{ encoded }}"), ("J", "{{ jks }}")]);
    delivered.items[0].base64.insert("encoded".to_owned());
    let text = render(&delivered, &[Some(&values())]).unwrap_err().to_string();
    assert!(text.contains("jks") && !text.contains(CANARY), "{text}");
    delivered.templates.remove("J");
    assert_eq!(render(&delivered, &[Some(&values())]).unwrap().get("T").unwrap().expose(), b"canary");
}

#[test]
fn an_error_names_template_and_line_and_shows_no_value() {
    let hungry =
        "{% set x = password * 99 %}{% for i in x %}{% for j in x %}{% for k in x %}{{ j }}{% endfor %}{% endfor %}{% endfor %}";
    let doubling = format!("{{% set x = password %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(60));
    for (text, line, part) in [
        ("\n\n{{ pasword }}", 3, "these are not: \"pasword\""),
        ("{{ keys.pasword }}", 1, "these are not: \"keys.pasword\""),
        ("{{ password.length }}", 1, "is not there"),
        ("{{ keys[password] }}", 1, "is not there"),
        ("{{ user }}\n{{ password | frobnicate }}", 2, "syntax error"),
        ("{{ pasword | urlencode }}", 1, "these are not: \"pasword\""),
        ("{{ pasword | tojson }}", 1, "these are not: \"pasword\""),
        ("{{ password | tojson(indent=9999999) }}", 1, "64 spaces"),
        ("{{ 1 is frobnicate }}", 1, "test that does not exist"),
        ("{{ password() }}", 1, ""),
        ("{{ password.strip() }}", 1, "function that does not exist"),
        ("{{ debug() }}", 1, "function that does not exist"),
        ("{{ password | indent(password) }}", 1, "cannot work with the value"),
        ("{{ password | replace }}", 1, "arguments"),
        ("{{ password | upper(1, 2, 3) }}", 1, "arguments"),
        ("{{ password | upper(canary=1) }}", 1, ""),
        ("{{ password | int }}", 1, "cannot work with the value"),
        ("{{ password + 1 }}", 1, "cannot work with the value"),
        ("{{ 1 < password }}{{ password * password }}", 1, "cannot work with the value"),
        ("{% for x in 1 %}{% endfor %}", 1, "cannot work with the value"),
        ("{% for a, b in password %}{% endfor %}", 1, ""),
        ("{{ password | b64decode }}", 1, "not base64"),
        ("{{ \"/w==\" | b64decode }}", 1, "not text"),
        ("x\n{{ jks }}", 2, "key \"jks\" is not text"),
        ("{{ keys.jks | b64encode }}", 1, "key \"jks\" is not text"),
        ("{{ keys | tojson }}", 1, "key \"jks\" is not text"),
        ("{{ \"a\" ~ jks }}", 1, "key \"jks\" is not text"),
        (hungry, 1, "100000 steps"),
        (doubling.as_str(), 1, "100000 steps"),
        ("{{ password * 99999999 }}", 1, "100000 steps"),
        ("{{ password | indent(99999999999) }}", 1, "64 spaces"),
        ("{{ user", 1, "syntax error"),
    ] {
        let error = made(text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(&format!("template \"T\", line {line}: ")) && shown.contains(part), "{text}: {shown}");
        assert!(!shown.contains(CANARY) || text.contains(CANARY), "{text}: {shown}");
        assert!(!shown.contains("<p&w>"), "{text}: {shown}");
    }
}

#[test]
fn what_is_not_there_is_an_error_wherever_it_is_used() {
    let filters = grammar::FILTERS.iter().filter(|f| !matches!(**f, "d" | "default"));
    let filtered = filters.map(|f| format!("{{{{ pasword | {f}{} }}}}", if *f == "replace" { "('a', 'b')" } else { "" }));
    let others = ["{{ pasword }}", "{{ pasword ~ user }}", "{% if pasword %}{% endif %}", "{% for x in pasword %}{% endfor %}"];
    let taken: Vec<String> = filtered.chain(others.map(str::to_owned)).filter(|text| made(text).is_ok()).collect();
    assert_eq!(taken, [""; 0]);
}

#[test]
fn a_template_reaches_nothing_but_its_keys() {
    let given = context(&Rendered::default());
    assert_eq!((environment().globals().count(), given.keys().map(String::as_str).collect::<Vec<_>>()), (0, vec!["keys"]));
    for name in ["env", "environ", "self", "loop", "super", "lookup", "file", "secret"] {
        assert!(made(&format!("{{{{ {name} }}}}")).is_err(), "{name}");
    }
}

#[test]
fn a_syntax_error_is_told_with_its_line() {
    for (text, line) in [("{{ a", 1), ("\n\n{% if %}", 3), ("a\n{% endif %}", 2), ("{{ a | }}", 1), ("\n{{ 'a }}", 2)] {
        let error = check_syntax(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(!error.detail.is_empty());
    }
}

#[test]
fn templates_add_keys_or_replace_them_and_meet_none() {
    let secret = material(&[("a", b"1"), ("odd/name", b"2")]);
    let names = |delivered: &Delivered, secret| {
        render(delivered, &[Some(secret)]).map(|r| r.iter().map(|(k, _)| k.to_owned()).collect::<Vec<_>>())
    };
    let mut both = delivered(&[("a.conf", "{{ a }}"), ("b.conf", "{{ keys['odd/name'] }}")]);
    assert_eq!(names(&both, &secret), Ok(vec!["a.conf".to_owned(), "b.conf".to_owned()]));
    both.templates_only = false;
    assert!(names(&both, &secret).unwrap_err().to_string().contains("neither a file nor a Secret key"));
    both.templates.remove("b.conf");
    let secret = material(&[("a", b"1")]);
    assert_eq!(names(&both, &secret), Ok(vec!["a".to_owned(), "a.conf".to_owned()]));
    both.templates.insert("a".to_owned(), String::new());
    assert!(names(&both, &secret).unwrap_err().to_string().contains("key \"a\" comes from an item and from spec.templates"));
    both.templates.clear();
    assert_eq!(names(&both, &secret), Ok(vec!["a".to_owned()]));
}

#[test]
fn the_whole_is_no_larger_than_a_target_may_hold() {
    let large = vec![b'x'; CONTENT_MAX_BYTES / 4];
    let secret = material(&[("a", &large)]);
    let rendered = |text: &str| render(&delivered(&[("T", text), ("U", text)]), &[Some(&secret)]);
    assert!(rendered("{{ a }}").is_ok());
    assert!(rendered("{{ a }}{{ a }}{{ a }}").unwrap_err().to_string().contains("bytes, more than the 1048576"));
    assert!(rendered(&"{{ a }}".repeat(5)).unwrap_err().to_string().contains("template \"T\": it makes more than the 1048576"));
}

#[test]
fn a_gone_item_has_no_values() {
    let error = render(&delivered(&[("T", "{{ user }}")]), &[None]).unwrap_err();
    assert!(error.to_string().contains("\"user\""), "{error}");
}
