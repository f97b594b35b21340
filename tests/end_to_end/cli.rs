//! The operator's command against a real server, as a newcomer types it.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{KV, Output, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, bin, wait};
use serde_json::json;

const MISTAKEN: &str = "\
apiVersion: lockstep.dev/v1
kind: Binding
metadata: {name: bad}
spec:
  project: nope
  clusters: {matchLabels: {env: prod}}
  items:
    - {source: corp, mount: kv, path: ../x}
    - {source: corp, mount: kv, path: shop/y, version: 0}
  target: {directory: {name: \"a/b\"}}
  deletionPolicy: Keep
";

const UNKNOWN: &str = "\
apiVersion: lockstep.dev/v1
kind: Binding
metadata: {name: bad}
spec:
  project: nope
  clusters: {matchLabels: {env: prod}}
  items:
    - {source: corp, mount: kv, path: shop/x}
    - {source: other, mount: kv, path: shop/y}
  target: {directory: {name: bad}}
";

fn file(fleet: &Fleet, name: &str, text: &str) -> Result<String> {
    let path = fleet.folder().join(name);
    std::fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

/// What it printed to standard error, with the folder's path cut off.
fn complaint(output: &Output, path: &str) -> String {
    let folder = Path::new(path).parent().map(|p| format!("{}/", p.display())).unwrap_or_default();
    output.stderr.replace(&folder, "")
}

#[tokio::test]
async fn the_first_manifests_are_tried_compared_applied_looked_at_and_deleted() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    let first = file(&fleet, "first.yaml", &format!("{}---\n{}", fleet.basics(), Fleet::binding("db")))?;
    let names = ["project/shop", "source/corp", "grant/shop-prod", "binding/db"];
    let all = |what: &str| names.map(|name| format!("{name} {what}\n")).concat();

    // Nothing is there yet, and what would be created refers to one another.
    let tried = fleet.cli_any(&["apply", "-f", &first, "--dry-run=server"]).await?;
    assert_eq!((tried.code, tried.stdout.as_str()), (0, all("created (server dry run)").as_str()));
    let unknown = |kind: &str| {
        format!("{kind} refers to what is created with it, so how far it would reach cannot be said before that is there\n")
    };
    let together = "Each is counted against what is there now: those that depend on one another may change more together.\n";
    assert_eq!(tried.stderr, unknown("grant/shop-prod") + &unknown("binding/db") + together);
    let compared = fleet.cli_any(&["diff", "-f", &first]).await?;
    assert_eq!((compared.code, compared.stderr), (1, unknown("grant/shop-prod") + &unknown("binding/db")), "{}", compared.stdout);
    assert!(names.iter().all(|name| compared.stdout.contains(&format!("+++ merged/{name}\n"))), "{}", compared.stdout);
    let bindings = fleet.cli(&["get", "bindings"]).await?;
    assert_eq!((bindings.stdout.as_str(), bindings.stderr.as_str()), ("", "no bindings found\n"), "a dry run leaves nothing");
    let projects = fleet.cli(&["get", "projects"]).await?;
    assert_eq!(projects.stderr, "no projects found\n");

    let applied = fleet.cli(&["apply", "-f", &first]).await?;
    assert_eq!((applied.stdout, applied.stderr.as_str()), (all("created"), ""));
    let waited = fleet.cli(&["wait", "--for=condition=InSync", "binding/db", "--timeout", "30s"]).await?;
    assert_eq!(waited.stdout, "binding/db condition met\n");
    assert_eq!(fleet.cli(&["apply", "-f", &first]).await?.stdout, all("unchanged"));
    let compared = fleet.cli_any(&["diff", "-f", &first]).await?;
    assert_eq!((compared.code, compared.stdout.as_str()), (0, ""));

    let second = file(&fleet, "second.yaml", &Fleet::bound("db", "shop/db", "deletionPolicy: Delete"))?;
    let compared = fleet.cli_any(&["diff", "-f", &second]).await?;
    assert_eq!(compared.code, 1);
    assert!(compared.stdout.contains("\n-  deletionPolicy: Retain\n+  deletionPolicy: Delete\n"), "{}", compared.stdout);
    assert_eq!(
        fleet.cli(&["apply", "-f", &second, "--dry-run=server"]).await?.stdout,
        "binding/db configured (server dry run)\n"
    );
    assert_eq!(fleet.cli_any(&["diff", "-f", &second]).await?.code, 1, "a dry run leaves nothing");
    assert_eq!(fleet.cli(&["apply", "-f", &second]).await?.stdout, "binding/db configured\n");
    assert_eq!(fleet.cli_any(&["diff", "-f", &second]).await?.code, 0);

    mistakes(&fleet).await?;
    looks(&fleet).await?;
    who_is_not_logged_in(&fleet).await?;

    let refused = fleet.cli_any(&["delete", "project", "shop"]).await?;
    let want = "error: project/shop: conflict: project shop is still used by 1 binding and 1 grant: that has to go first\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (1, want));
    let tried = fleet.cli(&["delete", "binding", "db", "--dry-run=server"]).await?;
    assert_eq!(tried.stdout, "binding/db deleted (server dry run)\n");
    fleet.await_delivery("cluster-1", "db", "InSync").await?;
    assert_eq!(fleet.cli(&["delete", "binding", "db"]).await?.stdout, "binding/db deleted\n");
    fleet.await_file("cluster-1", "db", "password", None).await?;
    let again = fleet.cli_any(&["delete", "binding", "db"]).await?;
    assert_eq!((again.code, again.stderr.as_str()), (1, "error: binding/db: not found: there is no binding \"db\"\n"));
    assert_eq!(fleet.cli(&["delete", "binding", "db", "--ignore-not-found"]).await?.stdout, "");
    Ok(())
}

async fn mistakes(fleet: &Fleet) -> Result<()> {
    let path = file(fleet, "mistaken.yaml", MISTAKEN)?;
    for (command, code) in [("apply", 1), ("diff", 2)] {
        let output = fleet.cli_any(&[command, "-f", &path]).await?;
        assert_eq!((output.code, output.stdout.as_str()), (code, ""));
        let text = complaint(&output, &path);
        let places: Vec<&str> =
            text.lines().skip(1).map(|line| line.rsplit_once(": ").map_or(line, |(place, _)| place)).collect();
        for (line, field) in [
            (8, "spec.items[0].path"),
            (9, "spec.items[1].version"),
            (10, "spec.target.directory.name"),
            (11, "spec.deletionPolicy"),
        ] {
            let want = format!("mistaken.yaml:{line}: {field}");
            assert!(places.iter().any(|place| place.starts_with(&want)), "no {want} in\n{text}");
        }
        assert!(text.starts_with("error: 4 mistakes in the manifests, nothing was sent:\n"), "{text}");
    }
    // What only the server knows has its line too.
    let path = file(fleet, "unknown.yaml", UNKNOWN)?;
    let output = fleet.cli_any(&["apply", "-f", &path]).await?;
    let want = "unknown.yaml:5: spec.project: project \"nope\" does not exist: apply it first\n\
                unknown.yaml:9: spec.items[1].source: source \"other\" does not exist: apply it first\n\
                error: binding/bad: the body has 2 mistakes: correct them and try again\n";
    assert_eq!((output.code, complaint(&output, &path).as_str()), (1, want));
    Ok(())
}

async fn looks(fleet: &Fleet) -> Result<()> {
    let status = fleet.cli(&["status"]).await?.stdout;
    let words: Vec<Vec<&str>> = status.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..5], ["CLUSTER", "STATE", "AGENT", "HEARD", "IN-SYNC"], "{status}");
    assert_eq!((words[1][0], words[1][4]), ("cluster-1", "1"), "{status}");
    let described = fleet.cli(&["describe", "binding", "db"]).await?.stdout;
    for want in ["Name:               db\n", "1 of 1 cluster", "Deliveries:\n", "Last changes:\n", "token:bootstrap"] {
        assert!(described.contains(want), "no {want:?} in\n{described}");
    }
    let binding = fleet.cli(&["get", "binding", "db", "-o", "json"]).await?.json()?;
    assert_eq!(binding["status"]["conditions"][0]["type"], "InSync");

    // One who looks on sees the change that another makes.
    let watched = fleet.folder().join("watched.txt");
    let mut looking = tokio::process::Command::new(bin("lockstep")?)
        .args(["get", "deliveries", "-w"])
        .env("LOCKSTEP_CONFIG", fleet.cli_config())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&watched)?)
        .kill_on_drop(true)
        .spawn()?;
    let rows = |status: &'static str| {
        let watched = watched.clone();
        move || {
            let text = std::fs::read_to_string(&watched).unwrap_or_default();
            let found =
                text.lines().filter(|l| l.starts_with("cluster-1") && l.split_whitespace().nth(2) == Some(status)).count();
            ensure!(found == 1, "{text}");
            anyhow::Ok(())
        }
    };
    let (in_sync, paused) = (rows("InSync"), rows("Paused"));
    wait::until("the first list", STORY_LIMIT, async || in_sync()).await?;
    fleet.cli(&["cluster", "pause", "cluster-1"]).await?;
    wait::until("the row that changed", STORY_LIMIT, async || paused()).await?;
    looking.kill().await?;
    let late = fleet.cli_any(&["wait", "--for=condition=InSync", "binding/db", "--timeout", "1s"]).await?;
    assert_eq!(late.code, 1);
    assert!(late.stderr.starts_with("error: timed out after 1s: binding/db is not InSync: "), "{}", late.stderr);
    fleet.cli(&["cluster", "resume", "cluster-1"]).await?;
    fleet.await_delivery("cluster-1", "db", "InSync").await.map(drop)
}

async fn who_is_not_logged_in(fleet: &Fleet) -> Result<()> {
    let server = fleet.replicas[0].rest_url();
    let wrong = file(fleet, "wrong.token", "lst_wrong")?;
    let ca = fleet.root_file().to_string_lossy().into_owned();
    let refused = fleet.cli_any(&["login", "--server", &server, "--certificate-authority", &ca, "--token-file", &wrong]).await?;
    let want = format!(
        "error: {server} does not accept this token: log in again with `lockstep login --server {server} --token-file FILE`, or --sso\n"
    );
    assert_eq!((refused.code, refused.stderr.as_str()), (1, want.as_str()));
    fleet.cli(&["get", "bindings"]).await?;
    Ok(())
}
