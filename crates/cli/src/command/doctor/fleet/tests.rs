use serde_json::json;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn before(minutes: i64) -> String {
    (now() - TimeDelta::minutes(minutes)).to_rfc3339()
}

fn thing(name: &str, condition: (&str, &str, &str), status: &Value) -> Value {
    let (kind, is, reason) = condition;
    let mut status = status.clone();
    status["conditions"] = json!([{"type": kind, "status": is, "reason": reason, "message": "why"}]);
    json!({"metadata": {"name": name}, "status": status})
}

fn told(findings: &[Finding]) -> Vec<(Level, &str)> {
    findings.iter().map(|finding| (finding.level, finding.message.as_str())).collect()
}

#[test]
fn a_source_that_fails_or_that_nobody_looks_at_is_told_with_what_to_do() {
    let good = thing("a", ("Ready", "True", "Watched"), &json!({"lastSweptAt": before(1)}));
    let failing = thing("b", ("Ready", "False", "Failing"), &json!({"lastSweptAt": before(1)}));
    let stalled = thing("c", ("Ready", "True", "Watched"), &json!({"lastSweptAt": before(60)}));
    assert_eq!(told(&sources(std::slice::from_ref(&good), now())), [(Level::Ok, "the only one is watched and answering")]);
    let found = sources(&[good, stalled, failing], now());
    assert_eq!(told(&found)[0], (Level::Fail, "b: why; more: `lockstep source check b`"));
    // Looked at once an hour: that is what was asked for.
    let rarely = |minutes| {
        thing("d", ("Ready", "True", "Watched"), &json!({"lastSweptAt": before(minutes), "watchIntervalMs": 3_600_000}))
    };
    assert_eq!(sources(&[rarely(299)], now())[0].level, Level::Ok);
    assert_eq!(sources(&[rarely(301)], now())[0].level, Level::Warn);
    assert!(found.len() == 2 && found[1].level == Level::Warn && found[1].message.contains("looked at 60m ago"), "{found:?}");
}

#[test]
fn a_silent_cluster_is_a_fault_and_a_paused_one_is_not() {
    let of = |reason: &str, is: &str| thing("c", ("Ready", is, reason), &json!({}));
    for (cluster, level) in [
        (of("Connected", "True"), Level::Ok),
        (of("Revoked", "False"), Level::Ok),
        (of("Paused", "False"), Level::Warn),
        (of("AgentDisconnected", "False"), Level::Fail),
        (of("Held", "False"), Level::Fail),
        (thing("c", ("DeletionsHeld", "True", "DeleteGuard"), &json!({})), Level::Ok),
    ] {
        assert_eq!(clusters(&[cluster], now())[0].level, level);
    }
    let ending = json!({"agent": {"certificateExpiresAt": (now() + TimeDelta::hours(3)).to_rfc3339()}});
    let found = clusters(&[thing("c", ("Ready", "True", "Connected"), &ending)], now());
    assert!(found[1].check == "certificates" && found[1].message.contains("ends in 3h and was not renewed"), "{found:?}");
    let short =
        json!({"agent": {"certificateExpiresAt": (now() + TimeDelta::hours(3)).to_rfc3339(), "certificateLifeSeconds": 21_600}});
    let found = clusters(&[thing("c", ("Ready", "True", "Connected"), &short)], now());
    assert_eq!(told(&found), [(Level::Ok, "the only one is connected, or out of use")], "half of its life is left");
    let guarded = clusters(&[thing("c", ("DeletionsHeld", "True", "DeleteGuard"), &json!({}))], now());
    assert_eq!(told(&guarded)[1], (Level::Warn, "c: why"));
}

#[test]
fn a_cluster_that_is_revoked_or_about_to_go_has_no_certificate_to_renew_and_no_deliveries_to_judge() {
    let ended = json!({"certificateExpiresAt": before(60)});
    let of = |state: &str| {
        let mut cluster = thing(state, ("Ready", "False", state), &json!({"state": state, "agent": ended}));
        cluster["metadata"]["name"] = json!(state.to_lowercase());
        cluster
    };
    let all = ["Revoked", "Removing", "Paused"].map(of);
    assert_eq!(told(&clusters(&all[..2], now())), [(Level::Ok, "all 2 are connected, or out of use")]);
    assert_eq!(clusters(&all[2..], now()).iter().filter(|finding| finding.check == "certificates").count(), 1);
    assert_eq!(out_of_use(&all), BTreeSet::from(["revoked".to_owned(), "removing".to_owned()]));
}

#[test]
fn many_are_counted_and_faults_come_first() {
    let mut all: Vec<Value> = (0..30).map(|i| thing(&format!("p{i}"), ("Ready", "False", "Paused"), &json!({}))).collect();
    all.push(thing("gone", ("Ready", "False", "AgentDisconnected"), &json!({})));
    let found = clusters(&all, now());
    assert_eq!((found.len(), told(&found)[0]), (11, (Level::Fail, "gone: why")));
    assert_eq!(told(&found)[10], (Level::Warn, "and 21 more: `lockstep status`"));
}

#[test]
fn deliveries_are_counted_with_the_first_causes() {
    let delivery = |cluster: &str| json!({"cluster": cluster, "binding": "db", "cause": "no grant"});
    let found = deliveries(DeliveryStatus::Denied, Level::Fail, &[delivery("a"), delivery("b")], 101).unwrap();
    assert_eq!(found.message, "2 Denied: a/db: no grant; b/db: no grant; all: `lockstep deliveries --status Denied`");
    assert!(
        deliveries(DeliveryStatus::Denied, Level::Fail, &[delivery("a")], 1).unwrap().message.starts_with("1 or more Denied")
    );
    assert_eq!(deliveries(DeliveryStatus::Held, Level::Fail, &[], 101), None);
}

#[test]
fn a_rotation_that_the_server_calls_late_is_a_fault_and_one_that_waits_for_its_jitter_is_not() {
    let rotation = |is: &str, status: &Value| thing("r", ("OnTime", is, "R"), status);
    for (rotation, level) in [
        (rotation("True", &json!({"nextDueAt": before(-60)})), Level::Ok),
        (rotation("True", &json!({"nextDueAt": before(60)})), Level::Ok),
        (rotation("Unknown", &json!({"nextDueAt": before(60)})), Level::Ok),
        (rotation("False", &json!({"nextDueAt": before(2)})), Level::Fail),
    ] {
        assert_eq!(rotations(&[rotation])[0].level, level);
    }
}

#[test]
fn a_held_history_is_told_with_how_that_ends() {
    let epoch = |held: Option<&str>, held_clusters| Epoch { epoch: 2, seq: 9, held: held.map(ToOwned::to_owned), held_clusters };
    assert_eq!(history(&epoch(None, 0))[0].level, Level::Ok);
    for held in [epoch(Some("it was cut"), 0), epoch(None, 3)] {
        let found = history(&held);
        assert!(found[0].level == Level::Fail && found[0].message.contains("lockstep epoch open --reason"), "{found:?}");
    }
}
