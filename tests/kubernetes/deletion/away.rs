//! What was deleted while nobody was at home.

use anyhow::{Result, ensure};
use lockstep_testbed::charts::install_agent_rbac;
use lockstep_testbed::fleet::{AGENT_NAMESPACE, NAMESPACE};
use lockstep_testbed::{Fleet, Kubernetes, wait};
use serde_json::{Value, json};

use super::{await_left, await_theirs, make_foreign, secrets};
use crate::shop::{CLUSTER, STORY_LIMIT, binding, deliver, fleet, kubernetes, write};

/// Namespaces that are selected by label.
const TEAMS: [&str; 2] = ["team-a", "team-b"];

/// Namespaces of a team where the agent may deliver, and which the grant allows.
async fn open_teams(fleet: &Fleet) -> Result<()> {
    let api = kubernetes(fleet)?;
    let namespaces = [&[NAMESPACE][..], &TEAMS].concat();
    let rbac = json!({ "mode": "namespace", "namespaces": namespaces, "namespaceSelector": true });
    install_agent_rbac(api, AGENT_NAMESPACE, &rbac).await?;
    let token = api.token(AGENT_NAMESPACE, "lockstep-agent", &[]).await?;
    for team in TEAMS {
        let path = format!("/api/v1/namespaces/{team}/secrets");
        wait::until("the right to look there", STORY_LIMIT, async || api.request_as(&token, "GET", &path, None).await).await?;
        set_team(api, team, Some("ours")).await?;
    }
    fleet.apply(&fleet.basics().replace("namespaces: [shop]", "namespaces: [shop, team-*]")).await
}

async fn set_team(api: &Kubernetes, namespace: &str, team: Option<&str>) -> Result<Value> {
    let change = json!({ "metadata": { "labels": { "team": team } } });
    api.request("PATCH", &format!("/api/v1/namespaces/{namespace}"), Some(change)).await
}

/// A binding to the namespaces of the team.
fn to_teams(name: &str, policy: &str) -> String {
    let by_label = "namespaceSelector: {matchLabels: {team: ours}}";
    binding(name, "", &format!("deletionPolicy: {policy}")).replace("namespaces: [shop]", by_label)
}

/// In which of the team's namespaces a Secret is.
async fn teams_with(api: &Kubernetes, secret: &str) -> Result<Vec<&'static str>> {
    let mut with = Vec::new();
    for team in TEAMS {
        if api.secret(team, secret).await?.is_some() {
            with.push(team);
        }
    }
    Ok(with)
}

async fn await_teams_with(api: &Kubernetes, secret: &str, teams: &[&str]) -> Result<()> {
    wait::until(&format!("{secret} to be in {teams:?}"), STORY_LIMIT, async || {
        let with = teams_with(api, secret).await?;
        ensure!(with == teams, "it is in {with:?}");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn an_agent_that_was_away_follows_what_was_deleted_and_what_lost_its_label_when_it_is_back() -> Result<()> {
    let mut fleet = fleet().await?;
    open_teams(&fleet).await?;
    let theirs = make_foreign(kubernetes(&fleet)?, "shared").await?;
    for name in ["alone", "shared"] {
        deliver(&fleet, name, "", "deletionPolicy: Delete").await?;
    }
    // Two contents are two Secrets: the older one stays for a day.
    deliver(&fleet, "fixed", ", immutable: true", "deletionPolicy: Delete").await?;
    write(&fleet, "fixed", "second").await?;
    for (name, policy) in [("leaving", "Delete"), ("changed", "Delete"), ("gone", "Delete")] {
        write(&fleet, name, "first").await?;
        fleet.apply(&to_teams(name, policy)).await?;
        fleet.await_delivery(CLUSTER, name, "InSync").await?;
        await_teams_with(kubernetes(&fleet)?, name, &TEAMS).await?;
    }
    wait::until("both contents", STORY_LIMIT, async || {
        let there = secrets(kubernetes(&fleet)?).await?.len();
        ensure!(there == 4, "{there} Secrets are there");
        anyhow::Ok(())
    })
    .await?;

    fleet.agents[0].process()?.stop().await?;
    fleet.cli(&["delete", "binding", "alone", "shared", "fixed", "gone"]).await?;
    fleet.cli(&["confirm", CLUSTER]).await?;
    set_team(kubernetes(&fleet)?, "team-b", None).await?;
    fleet.apply(&to_teams("changed", "Retain")).await?;
    fleet.agents[0].start()?;

    let api = kubernetes(&fleet)?;
    await_left(api, &["shared"]).await?;
    await_theirs(api, "shared", &theirs).await?;
    await_teams_with(api, "gone", &[]).await?;
    await_teams_with(api, "leaving", &["team-a"]).await?;
    // What the binding says now counts, not what it said when that was delivered.
    for name in ["leaving", "changed"] {
        fleet.await_delivery(CLUSTER, name, "InSync").await?;
    }
    assert_eq!(teams_with(api, "changed").await?, TEAMS);
    Ok(())
}
