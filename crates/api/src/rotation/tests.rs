use lockstep_core::rotation::{By, Kind};
use serde_json::{Value, json};

use super::*;

fn check(kind: &str, spec: Value) -> Result<CheckedRotation, Vec<String>> {
    let mut wire = json!({"project": "payments", "schedule": "0 3 * * SUN"});
    wire[kind] = spec;
    let wire: RotationSpec = serde_json::from_value(wire).unwrap();
    CheckedRotation::try_from(&wire).map_err(|mistakes| mistakes.into_iter().map(|m| m.to_string()).collect())
}

fn pair(roles: &[&str]) -> Value {
    json!({"source": "corp", "mount": "database", "roles": roles, "minOverlap": "10m"})
}

fn kv(keys: &Value) -> Value {
    json!({"source": "corp", "mount": "kv", "path": "payments/key", "keys": keys})
}

#[test]
fn what_is_checked_is_shown_with_its_defaults_and_checks_to_the_same_again() {
    let pki = json!({"source": "corp", "mount": "pki", "role": "web", "commonName": "shop.example", "ttl": "30d",
        "into": {"mount": "kv", "path": "shop/tls"}});
    for (kind, spec) in [
        ("databasePair", pair(&["a", "b"])),
        ("databaseStatic", json!({"source": "corp", "mount": "database", "role": "a"})),
        (
            "generate",
            kv(&json!({"a": {"random": {}}, "b": {"policy": "strong"}, "c": {"ed25519": {"publicKey": "c.pub"}},
            "d": {"rsa": {"bits": 2048}}, "e": {"random": {"length": 64, "characters": "01"}}})),
        ),
        ("pki", pki),
    ] {
        let checked = check(kind, spec.clone()).unwrap();
        assert_eq!(checked.spec.kind.as_str(), kind);
        let shown = RotationSpec::from(&checked);
        assert_eq!(CheckedRotation::try_from(&shown).unwrap(), checked, "{kind}");
        let stored = serde_json::to_value(&checked.spec).unwrap();
        assert_eq!(serde_json::from_value::<CheckedSpec>(stored).unwrap(), checked.spec, "{kind}");
        let shown = serde_json::to_value(shown).unwrap();
        assert_eq!(shown["confirm"]["onDeadline"], "Hold");
        for (field, value) in spec.as_object().unwrap().iter().filter(|(field, _)| *field != "keys") {
            assert_eq!(&shown[kind][field], value, "{kind}.{field}");
        }
    }
}

#[test]
fn every_mistake_is_named_with_what_would_be_right() {
    for (kind, spec, says) in [
        ("databasePair", pair(&["a"]), "spec.databasePair.roles: exactly two roles"),
        ("databasePair", pair(&["a", "a"]), "spec.databasePair.roles: both are the same role"),
        ("databasePair", pair(&["a,b", "c"]), "spec.databasePair.roles[0]: a role's name has neither"),
        ("databaseStatic", json!({"source": "corp", "mount": "database", "role": "a/b"}), "spec.databaseStatic.role"),
        ("generate", kv(&json!({})), "spec.generate.keys: at least one"),
        ("generate", kv(&json!({"a": {}})), "spec.generate.keys[a]: exactly one of random, policy"),
        ("generate", kv(&json!({"a": {"random": {"length": 8}}})), "12 to 4096"),
        ("generate", kv(&json!({"a": {"random": {}}, "b": {"ed25519": {"publicKey": "a"}}})), "\"a\" is to get two values"),
        ("generate", kv(&json!({"a": {"rsa": {"bits": 1024}}})), "2048, 3072 or 4096"),
        ("timeZone", json!("Europe/Berlyn"), "is not a time zone"),
        ("jitter", json!("soon"), "spec.jitter: \"soon\" is not a duration"),
        ("confirm", json!({"when": "Soon"}), "spec.confirm.when: \"Soon\" is none of Applied, Healthy"),
        ("missedRuns", json!("All"), "none of Once, Skip"),
        ("suspend", json!(true), "spec: exactly one of generate, databaseStatic, databasePair and pki is needed"),
    ] {
        let mistakes = check(kind, spec).unwrap_err().join("\n");
        assert!(mistakes.contains(says), "{mistakes}\nsays not: {says}");
    }
}

#[test]
fn a_certificate_is_due_by_a_share_of_its_life_or_by_a_schedule_and_nothing_else_is_by_its_age() {
    let wire = |percent: Value, more: Value| {
        let pki = json!({"source": "corp", "mount": "pki", "role": "web", "commonName": "shop.example", "renewAtPercent": percent,
            "into": {"mount": "kv", "path": "shop/tls"}});
        let mut wire = json!({"project": "payments", "pki": pki});
        wire.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let wire: RotationSpec = serde_json::from_value(wire).unwrap();
        CheckedRotation::try_from(&wire).map_err(|mistakes| mistakes[0].to_string())
    };
    for (percent, share) in [(json!(null), 66), (json!(10), 10), (json!(90), 90)] {
        let checked = wire(percent, json!({"jitter": "5m"})).unwrap();
        assert_eq!(checked.spec.timing.by, By::Life(share.try_into().unwrap()));
        let shown = RotationSpec::from(&checked);
        assert_eq!((shown.schedule.as_deref(), shown.pki.as_ref().unwrap().renew_at_percent), (None, Some(share)));
        assert_eq!(CheckedRotation::try_from(&shown).unwrap(), checked);
        let stored = serde_json::to_value(&checked.spec).unwrap();
        assert_eq!(stored["timing"]["life"], share, "{stored}");
        assert_eq!(serde_json::from_value::<CheckedSpec>(stored).unwrap(), checked.spec);
    }
    let by_schedule = wire(json!(null), json!({"schedule": "@daily", "timeZone": "Europe/Berlin"})).unwrap();
    assert!(matches!(by_schedule.spec.timing.by, By::Schedule(_)));
    for (percent, more, says) in [
        (json!(9), json!({}), "spec.pki.renewAtPercent: 9 is not within 10 to 90 percent"),
        (json!(66), json!({"schedule": "@daily"}), "spec.pki.renewAtPercent: there is a schedule as well"),
        (json!(66), json!({"timeZone": "Europe/Berlin"}), "spec.timeZone: is of a schedule, and there is none"),
        (json!(null), json!({"startingDeadlineSeconds": 60}), "spec.startingDeadlineSeconds: is of a schedule"),
        (json!(null), json!({"missedRuns": "Skip"}), "spec.missedRuns: is of a schedule"),
    ] {
        let mistake = wire(percent, more).unwrap_err();
        assert!(mistake.contains(says), "{mistake}\nsays not: {says}");
    }
    let other = json!({"project": "p", "databaseStatic": {"source": "corp", "mount": "database", "role": "a"}});
    let mistakes = CheckedRotation::try_from(&serde_json::from_value::<RotationSpec>(other).unwrap()).unwrap_err();
    assert_eq!(mistakes[0].field, "spec.schedule");
}

#[test]
fn a_certificate_for_each_cluster_has_its_name_in_the_path_and_where_else_it_is_wanted() {
    let wire = |path: &str, name: &str, uri: &str| {
        let pki = json!({"source": "corp", "mount": "pki", "role": "web", "commonName": name, "uris": [uri], "into": {"mount": "kv", "path": path}});
        let wire: RotationSpec = serde_json::from_value(json!({"project": "payments", "pki": pki})).unwrap();
        CheckedRotation::try_from(&wire)
            .map_err(|mistakes| mistakes.into_iter().map(|m| m.to_string()).collect::<Vec<_>>().join("; "))
    };
    let checked = wire("web/{cluster}/tls", "{cluster}.shop.example", "spiffe://shop/{cluster}").unwrap();
    assert_eq!(CheckedRotation::try_from(&RotationSpec::from(&checked)).unwrap(), checked);
    let Kind::Pki { secret, certificate } = checked.spec.kind.of(&"eu-1".parse().unwrap()) else { panic!("a certificate") };
    assert_eq!(secret.path.as_str(), "web/eu-1/tls");
    assert_eq!(
        (certificate.common_name.as_str(), &certificate.uris[..]),
        ("eu-1.shop.example", &["spiffe://shop/eu-1".to_owned()][..])
    );
    assert!(wire("web/{cluster}/tls", "shop.example", "spiffe://shop").is_ok(), "of the same names, and keys of their own");
    for (path, name, says) in [
        ("web/tls", "{cluster}.shop.example", "put {cluster} into spec.pki.into.path too"),
        ("web/{cluster}/{namespace}", "a", "spec.pki.into.path: character '{' is not allowed"),
        ("web/{cluster}", "{namespace}.example", "{cluster} is all that is replaced in names"),
    ] {
        let mistake = wire(path, name, "spiffe://shop").unwrap_err();
        assert!(mistake.contains(says), "{mistake}\nsays not: {says}");
    }
}

/// What a release before this one stored.
#[test]
fn a_timing_stored_before_there_were_shares_is_read() {
    let stored = json!({"schedule": {"schedule": "@daily"}, "starting_deadline": null, "missed": "Once", "jitter": {"secs": 5, "nanos": 0}});
    let timing: Timing = serde_json::from_value(stored.clone()).unwrap();
    assert!(matches!(timing.by, By::Schedule(_)));
    assert_eq!(serde_json::to_value(timing).unwrap(), stored);
}

#[test]
fn a_single_role_cannot_roll_back() {
    let wire = json!({"project": "p", "schedule": "@daily", "confirm": {"onDeadline": "RollBack"},
        "databaseStatic": {"source": "corp", "mount": "database", "role": "a"}});
    let mistakes = CheckedRotation::try_from(&serde_json::from_value::<RotationSpec>(wire).unwrap()).unwrap_err();
    assert_eq!(mistakes[0].field, "spec.confirm.onDeadline");
}
