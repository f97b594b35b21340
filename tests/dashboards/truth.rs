//! What the boards show is what is so.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::STORY_LIMIT;
use lockstep_testbed::{checkout, wait};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::board::{Query, boards};
use crate::interpolation::{in_sql, values};
use crate::live::run::{LIMIT, Run};

/// The rows that a panel shows.
async fn shown(run: &mut Run, board: &str, title: &str) -> Result<Vec<Value>> {
    let boards = boards()?;
    let board = boards.iter().find(|b| b.uid == board).context("no such board")?;
    let panel = board.panels.iter().find(|p| p.title == title).with_context(|| format!("no panel {title}"))?;
    let values = values(board, &mut run.registry).await?;
    let Some(Query::Registry(sql)) = panel.queries.first() else { anyhow::bail!("{title} asks no registry") };
    run.rows(&in_sql(sql, &values)?).await
}

/// These columns of each row.
fn columns(rows: &[Value], names: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| names.iter().map(|name| row[*name].clone()).collect::<Value>().to_string()).collect()
}

/// While all is there: as the CLI shows it.
pub(crate) async fn everything(run: &mut Run) -> Result<()> {
    let deliveries = run.fleet.deliveries().await?;
    ensure!(deliveries.len() == 8, "{deliveries:?}");
    let matrix = shown(run, "lockstep-deliveries", "Clusters and bindings").await?;
    let names = ["cluster", "binding", "status"];
    ensure!(columns(&matrix, &names) == columns(&deliveries, &names), "{matrix:?}");
    let troubled: Vec<Value> = deliveries.iter().filter(|d| d["status"] != "InSync").cloned().collect();
    let names = ["cluster", "binding", "status", "cause"];
    let listed = shown(run, "lockstep-deliveries", "Not in step").await?;
    ensure!(columns(&listed, &names) == columns(&troubled, &names), "{listed:?}");
    ensure!(troubled.len() == 3, "{troubled:?}");

    let clusters = shown(run, "lockstep-fleet", "Clusters").await?;
    ensure!(clusters == [json!({ "count": 2 })], "{clusters:?}");
    let in_step = shown(run, "lockstep-fleet", "In step").await?;
    ensure!(in_step[0]["coalesce"] == 5.0 / 8.0, "{in_step:?}");
    let who = shown(run, "lockstep-secret", "Who has it").await?;
    let newest: BTreeSet<String> = who.iter().map(|row| row["newest"].to_string()).collect();
    ensure!(who.len() == 2 && newest.len() == 1 && who.iter().all(|row| row["in_place"] == row["newest"]), "{who:?}");
    let rotations = shown(run, "lockstep-rotation", "Each rotation").await?;
    let names = ["rotation", "kind", "secret", "state", "last_result"];
    let expected = json!(["token", "generate", "corp kv/shop/token", "Waiting", "Done"]).to_string();
    ensure!(columns(&rotations, &names) == BTreeSet::from([expected]), "{rotations:?}");
    let runs = shown(run, "lockstep-rotation", "Runs").await?;
    ensure!(
        columns(&runs, &["rotation", "state", "stage"]) == BTreeSet::from([json!(["token", "Done", "Done"]).to_string()]),
        "{runs:?}"
    );
    let sources = shown(run, "lockstep-control-plane", "Sources").await?;
    ensure!(
        columns(&sources, &["source", "failing", "secrets"]) == BTreeSet::from([json!(["corp", null, 4]).to_string()]),
        "{sources:?}"
    );
    Ok(())
}

/// When cluster-2 is cut off, and then something changes.
pub(crate) async fn cut_off(run: &mut Run) -> Result<()> {
    let before = run.write_and_await().await?.to_string();
    run.fleet.agents[1].process()?.kill9()?;
    wait::until("the servers to notice", STORY_LIMIT, async || {
        let rows = run.rows("select connected from grafana.clusters where cluster = 'cluster-2'").await?;
        ensure!(rows == [json!({ "connected": false })], "{rows:?}");
        anyhow::Ok(())
    })
    .await?;
    let after = run.write().await?.to_string();
    let row = wait::until("what is behind to be shown", STORY_LIMIT, async || {
        let rows = shown(run, "lockstep-deliveries", "Not in step").await?;
        let row = rows.iter().find(|row| row["cluster"] == "cluster-2" && row["binding"] == "db").context("it is not")?;
        anyhow::Ok(row.clone())
    })
    .await?;
    ensure!(row["in_place"] == before && row["wanted"] == after, "{row}");
    ensure!(row["cause"].as_str().is_some_and(|cause| cause.contains("agent is not connected")), "{row}");
    let mut owner = PgConnection::connect(run.fleet.database.url()).await?;
    let seen: Value =
        sqlx::query_scalar("select to_jsonb(max(at)) from change where kind = 'VersionsObserved'").fetch_one(&mut owner).await?;
    ensure!(row["behind_since"] == seen, "{row}, and the change was made {seen}");
    wait::until("the other cluster to have it", STORY_LIMIT, async || {
        let rows = shown(run, "lockstep-deliveries", "All deliveries").await?;
        let there = rows.iter().any(|row| row["cluster"] == "cluster-1" && row["binding"] == "db" && row["in_place"] == after);
        ensure!(there, "{rows:?}");
        anyhow::Ok(())
    })
    .await?;
    println!("cut off: {row}");
    fires(run, "LockstepClusterSilent", "cluster-2").await?;
    follow_runbook(run).await
}

async fn fires(run: &Run, name: &str, cluster: &str) -> Result<()> {
    wait::until(&format!("{name} to fire"), LIMIT, async || {
        let alerts = run.prometheus.alerts().await?;
        let is_it = |a: &Value| a["labels"]["alertname"] == name && a["labels"]["cluster"] == cluster && a["state"] == "firing";
        ensure!(alerts.iter().any(is_it), "{alerts:?}");
        anyhow::Ok(())
    })
    .await
}

/// The commands of the runbook, as they are written there, with the name of the cluster.
async fn follow_runbook(run: &Run) -> Result<()> {
    let text = std::fs::read_to_string(checkout::find("docs/runbooks/cluster-silent.md")?)?;
    let section =
        text.split("## Find the cause").nth(1).and_then(|rest| rest.split("\n## ").next()).context("no such section")?;
    let (mut commands, mut told) = (0, String::new());
    for command in section.lines().filter_map(|line| line.strip_prefix("lockstep ")) {
        let arguments: Vec<&str> = command.split(" #").next().unwrap_or(command).split_whitespace().collect();
        let arguments: Vec<&str> = arguments.iter().map(|word| if *word == "CLUSTER" { "cluster-2" } else { *word }).collect();
        told.push_str(&run.fleet.cli(&arguments).await?.stdout);
        commands += 1;
    }
    ensure!(commands >= 2, "the runbook has no commands");
    ensure!(told.contains("not connected") || told.contains("NotConnected"), "the commands do not find the cause: {told}");
    println!("{commands} commands of the runbook were run as written:\n{told}");
    Ok(())
}
