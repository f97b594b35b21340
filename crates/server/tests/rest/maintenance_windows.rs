//! Maintenance windows and freezes.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, cluster, maintenance_window};

fn window(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "lockstep.dev/v1", "kind": "MaintenanceWindow", "metadata": {"name": name}, "spec": spec})
}

fn allow(scope: &Value, schedule: &str, duration: &str) -> Value {
    let mut spec = scope.clone();
    spec["allow"] = json!({"schedule": schedule, "duration": duration});
    spec
}

/// Postgres' clock, moved by hours.
async fn hours_from_now(api: &Api, hours: i64) -> Result<DateTime<Utc>> {
    let mut connection = api.app.pool.acquire().await?;
    Ok(lockstep_store::registry::now(&mut connection).await? + TimeDelta::hours(hours))
}

async fn put_as(api: &Api, token: &str, name: &str, spec: &Value) -> Result<Answer> {
    api.send_as(token, "PUT", &format!("/v1/maintenancewindows/{name}"), &[], Some(&window(name, spec))).await
}

#[tokio::test]
async fn a_window_says_whether_it_is_open_and_when_that_changes() -> Result<()> {
    let api = Api::start().await?;
    let (before, after) = (hours_from_now(&api, -1).await?, hours_from_now(&api, 1).await?);
    for (name, spec, state) in [
        ("always", allow(&json!({}), "* * * * * *", "1s"), "Open"),
        ("leap", allow(&json!({"clusters": {}}), "0 0 29 2 *", "1m"), "Closed"),
        ("now", json!({"freeze": {"from": before, "until": after}}), "Frozen"),
        ("soon", json!({"freeze": {"from": after, "until": after + TimeDelta::hours(1)}}), "Upcoming"),
    ] {
        api.apply(&window(name, &spec)).await?;
        let status = &api.get(&format!("/v1/maintenancewindows/{name}")).await?.ok().body["status"];
        assert_eq!(status["state"], json!(state), "{name}: {status}");
        let change: DateTime<Utc> = serde_json::from_value(status["nextChange"].clone())?;
        assert!(change > before, "{name}: {status}");
        if name == "now" {
            assert_eq!(change, after);
        }
    }
    api.sql(&format!(
        "update maintenance_window set spec = jsonb_set(spec, '{{rule,freeze,until}}', to_jsonb('{}'::text)) where name = 'now'",
        (before + TimeDelta::minutes(1)).to_rfc3339()
    ))
    .await?;
    let over = api.get("/v1/maintenancewindows/now").await?.ok();
    assert_eq!(over.body["status"], json!({"state": "Over"}));
    // What is over may still get labels, and goes.
    let mut labelled = window("now", &over.body["spec"]);
    labelled["metadata"]["labels"] = json!({"year": "past"});
    assert_eq!(api.put("/v1/maintenancewindows/now", &labelled).await?.ok().header("lockstep-result"), "configured");
    api.delete("/v1/maintenancewindows/now").await?.ok();
    assert_eq!(api.get("/v1/maintenancewindows").await?.ok().names(), ["always", "leap", "soon"]);
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_the_field_it_is_in() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let prod = json!({"clusters": {"matchLabels": {"env": "prod"}}});
    api.apply(&window("night", &allow(&prod, "0 2 * * *", "2h"))).await?;
    let (long_ago, ago, later) =
        (hours_from_now(&api, -2).await?, hours_from_now(&api, -1).await?, hours_from_now(&api, 1).await?);
    for (spec, field, said) in [
        (allow(&prod, "0 3 1 * *", "1h"), "spec.allow", "while night of the same scope is"),
        (allow(&json!({}), "@hourly", "61m"), "spec.allow.duration", "opens again after 1h"),
        (allow(&json!({}), "0 0 30 2 *", "1h"), "spec.allow.schedule", "is never due"),
        (allow(&json!({}), "@daily", "soon"), "spec.allow.duration", "is not a duration"),
        (allow(&json!({"project": "nobody"}), "@daily", "1h"), "spec.project", "apply it first"),
        (json!({"freeze": {"from": later, "until": ago}}), "spec.freeze.until", "cannot end at"),
        (json!({"freeze": {"from": long_ago, "until": ago}}), "spec.freeze.until", "is over already"),
        (json!({}), "spec", "exactly one of allow and freeze"),
    ] {
        let answer = api.put("/v1/maintenancewindows/bad", &window("bad", &spec)).await?;
        assert_eq!((answer.code(), answer.fields()), ("invalid-manifest", vec![field]), "{spec}: {}", answer.text);
        assert!(answer.text.contains(said), "{spec}: {}", answer.text);
    }
    // Itself it may overlap, when it is written anew; and others that are for others.
    api.apply(&window("night", &allow(&prod, "0 2 * * *", "3h"))).await?;
    api.apply(&window("all", &allow(&json!({}), "0 2 * * *", "3h"))).await?;
    api.apply(&maintenance_window()).await?;
    let refused = api.delete("/v1/projects/payments").await?;
    assert!(refused.code() == "in-use" && refused.text.contains("1 maintenance window"), "{}", refused.text);
    let mut connection = api.app.pool.acquire().await?;
    let all = lockstep_store::maintenance_window::all(&mut connection).await?;
    assert_eq!(all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["all", "night", "payments-nights"]);
    Ok(())
}

#[tokio::test]
async fn each_admin_writes_windows_of_what_is_his_own_and_all_see_those_that_all_wait_for() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let prod = json!({"clusters": {"matchLabels": {"env": "prod"}}});
    let project = api.mint("payments", "admin", &json!({"project": "payments"})).await?;
    let operator = api.mint("ops", "operator", &json!({"project": "payments"})).await?;
    let fleet = api.mint("prod", "admin", &prod).await?;
    for (token, scope, may) in [
        (&project, json!({"project": "payments"}), true),
        (&project, prod.clone(), false),
        (&project, json!({}), false),
        (&operator, json!({"project": "payments"}), false),
        (&fleet, prod.clone(), true),
        (&fleet, json!({"clusters": {"matchLabels": {"env": "prod", "region": "eu"}}}), false),
        (&fleet, json!({"project": "payments"}), false),
        (&fleet, json!({}), false),
    ] {
        let name = if scope["project"].is_null() { "fleet" } else { "team" };
        let answer = put_as(&api, token, name, &allow(&scope, "0 2 * * *", "1h")).await?;
        assert_eq!(answer.status.is_success(), may, "{scope}: {}", answer.text);
    }
    // One's own is not given away, nor another's taken.
    assert_eq!(put_as(&api, &project, "team", &allow(&json!({}), "0 2 * * *", "1h")).await?.code(), "forbidden");
    assert_eq!(
        put_as(&api, &project, "fleet", &allow(&json!({"project": "payments"}), "0 5 * * *", "1h")).await?.code(),
        "forbidden"
    );
    assert_eq!(api.send_as(&project, "DELETE", "/v1/maintenancewindows/fleet", &[], None).await?.code(), "forbidden");
    for (token, seen) in [(&project, &["fleet", "team"][..]), (&fleet, &["fleet"])] {
        let list = api.send_as(token, "GET", "/v1/maintenancewindows", &[], None).await?.ok();
        assert_eq!(list.names(), seen);
    }
    assert_eq!(api.send_as(&fleet, "GET", "/v1/maintenancewindows/team", &[], None).await?.code(), "not-found");
    Ok(())
}

#[tokio::test]
async fn a_label_that_a_window_goes_by_is_an_administrators() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "dev")).await?;
    api.apply(&window("ring-one", &allow(&json!({"clusters": {"matchLabels": {"ring": "1"}}}), "0 2 * * *", "1h"))).await?;
    let operator = api.mint("ops", "operator", &json!({"everything": true})).await?;
    let mut escaping = cluster("eu-1", "dev");
    escaping["metadata"]["labels"]["ring"] = json!("2");
    let answer = api.send_as(&operator, "PUT", "/v1/clusters/eu-1", &[], Some(&escaping)).await?;
    assert!(answer.code() == "forbidden" && answer.text.contains("depend on the label ring"), "{}", answer.text);
    Ok(())
}
