//! What an operator types when something is wrong, on a fleet in which it is.

use std::process::Stdio;

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, bin, wait};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

/// So long that what is seen in time was seen because somebody asked.
const WATCH_INTERVAL_MS: u64 = 600_000;

async fn shop() -> Result<Fleet> {
    let settings = Settings { replicas: 1, clusters: 2, watch_interval_ms: WATCH_INTERVAL_MS, ..Settings::default() };
    let fleet = Fleet::start(settings).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", 2, STORY_LIMIT).await?;
    Ok(fleet)
}

async fn who_has(fleet: &Fleet, number: &str) -> Result<(i32, String)> {
    let output = fleet.cli_any(&["who-has", "kv/shop/db", "--version", number, "-o", "name"]).await?;
    Ok((output.code, output.stdout))
}

#[tokio::test]
async fn an_operator_sees_who_is_behind_and_has_it_delivered() -> Result<()> {
    let mut fleet = shop().await?;
    assert_eq!(who_has(&fleet, "1").await?, (0, "cluster/cluster-1\ncluster/cluster-2\n".to_owned()));
    let nobody = fleet.cli_any(&["who-has", "shop/db", "--version", "9"]).await?;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (1, ""));
    assert_eq!(nobody.stderr, "nobody has version 9 of corp/kv/shop/db\n");
    let unknown = fleet.cli_any(&["who-has", "shop/none"]).await?;
    assert_eq!((unknown.code, unknown.stderr.as_str()), (2, "error: not found: there is no secret \"shop/none\"\n"));
    let well = fleet.cli_any(&["doctor"]).await?;
    ensure!(well.code == 0 && well.stdout.lines().all(|line| line.starts_with("ok ")), "{}{}", well.stdout, well.stderr);
    for check in
        ["login", "server", "tls", "clock", "token", "version", "history", "sources", "clusters", "certificates", "deliveries"]
    {
        let line = well.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(check));
        ensure!(line.is_some_and(|line| line.starts_with("ok ")), "{check}: {}", well.stdout);
    }

    // One cluster is away while the secret is written; only a sync has the source looked at before its time.
    fleet.agents[1].process()?.stop().await?;
    wait::until("the agent to be missed", STORY_LIMIT, async || {
        let clusters = fleet.cli(&["get", "cluster", "cluster-2", "-o", "json"]).await?.json()?;
        ensure!(clusters["status"]["agent"].is_null(), "{clusters}");
        anyhow::Ok(())
    })
    .await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    let synced = fleet.cli(&["sync", "db", "--cluster", "cluster-1", "--wait"]).await?;
    let lines: Vec<&str> = synced.stdout.lines().collect();
    ensure!(lines.len() == 2 && lines[0].starts_with("binding/db syncing: 1 delivery (revision 1."), "{}", synced.stdout);
    assert_eq!(lines[1], "cluster-1: db confirmed");
    fleet.await_file("cluster-1", "db", "password", Some("two")).await?;
    wait::until("who has which", STORY_LIMIT, async || {
        ensure!(who_has(&fleet, "2").await? == (0, "cluster/cluster-1\n".to_owned()));
        anyhow::Ok(())
    })
    .await?;
    assert_eq!(who_has(&fleet, "1").await?, (0, "cluster/cluster-2\n".to_owned()));
    let table = fleet.cli(&["who-has", "corp/kv/shop/db"]).await?.stdout;
    ensure!(table.contains("v1 (v2 wanted)") && table.contains("the cluster's agent is not connected"), "{table}");
    let behind = fleet.cli(&["deliveries", "--status", "pending", "--project", "shop", "-o", "name"]).await?;
    assert_eq!(behind.stdout, "delivery/cluster-2/db\n");
    let ill = fleet.cli_any(&["doctor"]).await?;
    let line = ill.stdout.lines().find(|line| line.starts_with("fail")).unwrap_or_default();
    ensure!(
        ill.code == 1 && line.contains("clusters") && line.contains("cluster-2: its agent is not connected"),
        "{}",
        ill.stdout
    );
    let late = fleet.cli_any(&["sync", "db", "--wait", "--timeout", "1s"]).await?;
    ensure!(
        late.code == 1 && late.stderr.contains("still waiting for 1:\n  cluster-2 is Pending: the cluster's agent"),
        "{}",
        late.stderr
    );
    let again = fleet.cli(&["sync", "db", "-o", "json"]).await?.json()?;
    assert_eq!(again["repeated"], true, "a sync in a hurry is the same sync: {again}");

    fleet.agents[1].start()?;
    fleet.await_deliveries("InSync", 2, STORY_LIMIT).await?;
    assert_eq!(who_has(&fleet, "1").await?, (1, String::new()), "nobody has the old one any more");
    Ok(())
}

#[tokio::test]
async fn an_auditor_finds_what_was_done_and_that_somebody_changed_the_history() -> Result<()> {
    let fleet = shop().await?;
    let kinds = async |words: &[&str]| -> Result<Vec<String>> {
        let arguments = [&["audit", "-o", "json"], words].concat();
        let list = fleet.cli(&arguments).await?.json()?;
        let kind = |change: &Value| change["kind"].as_str().unwrap_or_default().to_owned();
        Ok(list["items"].as_array().into_iter().flatten().map(kind).collect())
    };
    assert_eq!(kinds(&["--secret", "kv/shop/db"]).await?, ["BindingWritten", "VersionsObserved"], "the newest last");
    assert_eq!(kinds(&["--kind", "GrantWritten", "--since", "1h", "--actor", "token:bootstrap"]).await?, ["GrantWritten"]);
    assert_eq!(kinds(&["--cluster", "cluster-1", "--kind", "ClusterJoined"]).await?, ["ClusterJoined"]);

    // One who looks on sees what another does.
    let followed = fleet.folder().join("followed.txt");
    let mut following = tokio::process::Command::new(bin("lockstep")?)
        .args(["audit", "-f", "--cluster", "cluster-1"])
        .env("LOCKSTEP_CONFIG", fleet.cli_config())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&followed)?)
        .kill_on_drop(true)
        .spawn()?;
    let shows = async |word: &str| {
        wait::until(word, STORY_LIMIT, async || {
            let text = std::fs::read_to_string(&followed)?;
            ensure!(text.lines().filter(|line| line.contains(word)).count() == 1, "{text}");
            anyhow::Ok(())
        })
        .await
    };
    shows("ClusterJoined").await?;
    fleet.cli(&["cluster", "pause", "cluster-2"]).await?;
    fleet.cli(&["cluster", "pause", "cluster-1"]).await?;
    shows("ClusterPaused").await?;
    following.kill().await?;

    let verified = fleet.cli(&["audit", "verify", "-o", "json"]).await?.json()?;
    let (to, hash) = (verified["to"].to_string(), verified["hash"].as_str().unwrap_or_default().to_owned());
    assert_eq!((&verified["verified"], &verified["changes"]), (&json!(true), &verified["to"]));
    let on = fleet.cli(&["audit", "verify", "--from", &to, "--hash", &hash]).await?.stdout;
    ensure!(on.starts_with(&format!("verified: 0 changes follow from one another, up to change {to} ")), "{on}");
    let other = fleet.cli_any(&["audit", "verify", "--from", "1", "--hash", &hash]).await?;
    ensure!(other.code == 1 && other.stderr.contains("error: change 2 ("), "{}", other.stderr);

    // The superuser of Postgres can change everything, but not so that nobody sees it.
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    sqlx::query("update change set actor = 'token:somebody' where seq = 3").execute(&mut connection).await?;
    let broken = fleet.cli_any(&["audit", "verify"]).await?;
    ensure!(
        broken.code == 1 && broken.stderr.starts_with("error: change 3 (") && broken.stderr.contains("by token:somebody"),
        "{}",
        broken.stderr
    );
    sqlx::query("delete from change where seq = 3").execute(&mut connection).await?;
    let cut = fleet.cli_any(&["audit", "verify", "-o", "json"]).await?;
    assert_eq!((cut.code, &cut.json()?["brokenAt"]), (1, &json!(3)));
    Ok(())
}
