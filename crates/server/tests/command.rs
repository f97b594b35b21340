//! The command line: the replica's name, and where the first API token goes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use lockstep_testbed::{Database, Folder, Postgres};
use serde_json::{Value, json};

/// A configuration that is complete but for the replica's name, and a database.
struct Place {
    folder: Folder,
    database: Database,
}

impl Place {
    async fn new() -> Result<Self> {
        let place = Self { folder: Folder::new("command")?, database: Postgres::shared().await?.create_database().await? };
        std::fs::write(place.file("database.url"), place.database.url())?;
        // What others may read is refused.
        std::fs::set_permissions(place.file("database.url"), Permissions::from_mode(0o600))?;
        Ok(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `lockstep-server bootstrap`.
    fn bootstrap(&self, replica: Option<&str>, arguments: &[&str], variable: Option<&str>) -> Result<Output> {
        let mut config = json!({
            "database": { "urlFile": self.file("database.url") },
            "trustDomain": "lockstep.test",
            "listen": { "rest": "127.0.0.1:0", "agents": "127.0.0.1:0", "join": "127.0.0.1:0", "metrics": "127.0.0.1:0" },
            "advertise": { "names": ["localhost"], "agents": ["https://localhost:8444"], "join": ["https://localhost:8445"] },
            "homeVault": { "addresses": ["https://vault.example.com:8200"], "credentials": "home" },
            "credentials": [{ "name": "home", "addresses": ["https://vault.example.com:8200"], "tokenFile": "unused" }],
        });
        if let Some(replica) = replica {
            config["replica"] = Value::from(replica);
        }
        std::fs::write(self.file("server.yaml"), config.to_string())?;
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_lockstep-server")));
        command.arg("bootstrap").arg("--config").arg(self.file("server.yaml")).args(arguments).env_remove("LOCKSTEP_REPLICA");
        if let Some(name) = variable {
            command.env("LOCKSTEP_REPLICA", name);
        }
        command.output().context("running lockstep-server")
    }

    /// Who minted the token, as the history says.
    async fn actor(&self) -> Result<String> {
        let pool = sqlx::PgPool::connect(self.database.url()).await?;
        let query = sqlx::query_scalar("select actor from change where kind = 'ApiTokenMinted'");
        query.fetch_one(&pool).await.context("reading the history")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[tokio::test]
async fn a_replica_without_a_name_says_the_three_places_to_give_one() -> Result<()> {
    let place = Place::new().await?;
    for (replica, variable) in [(None, None), (Some(""), None), (Some("a"), Some(""))] {
        let output = place.bootstrap(replica, &["--token-file", "-"], variable)?;
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{replica:?} {variable:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains(
                "replica: give this replica a name of 1 to 63 bytes, in the file, with --replica or in LOCKSTEP_REPLICA"
            )
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_name_from_the_command_line_wins_over_the_files_and_over_the_variable() -> Result<()> {
    for (replica, arguments, variable, actor) in [
        (Some("file"), vec![], None, "server:file"),
        (Some("file"), vec![], Some("pod-1"), "server:pod-1"),
        (None, vec!["--replica", "given"], Some("pod-1"), "server:given"),
    ] {
        let place = Place::new().await?;
        let output = place.bootstrap(replica, &[arguments, vec!["--token-file", "-"]].concat(), variable)?;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(place.actor().await?, actor);
    }
    Ok(())
}

#[tokio::test]
async fn the_first_token_alone_is_printed_and_the_second_time_nothing() -> Result<()> {
    let place = Place::new().await?;
    let first = place.bootstrap(Some("a"), &["--token-file", "-"], None)?;
    assert!(first.status.success(), "{}", text(&first.stderr));
    let token = text(&first.stdout).strip_suffix('\n').context("no line on standard output")?;
    assert!(token.len() > 32 && token.chars().all(|c| c.is_ascii_graphic()), "this is no token alone");
    assert!(!text(&first.stderr).contains(token), "the token is in what it says to people");
    let second = place.bootstrap(Some("a"), &["--token-file", "-"], None)?;
    assert_eq!((second.status.code(), text(&second.stdout)), (Some(0), ""));
    assert!(
        text(&second.stderr).contains("somebody administers everything already; nothing was done"),
        "{}",
        text(&second.stderr)
    );
    assert!(!Path::new("-").exists(), "`-` is no file");
    Ok(())
}

#[tokio::test]
async fn a_token_file_that_exists_is_left_alone_and_the_registry_without_a_token() -> Result<()> {
    let place = Place::new().await?;
    let file = place.file("admin.token").to_string_lossy().into_owned();
    std::fs::write(&file, "mine")?;
    let refused = place.bootstrap(Some("a"), &["--token-file", &file], None)?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("it must not exist yet"), "{}", text(&refused.stderr));
    assert_eq!(std::fs::read_to_string(&file)?, "mine");
    std::fs::remove_file(&file)?;
    let done = place.bootstrap(Some("a"), &["--token-file", &file], None)?;
    assert!(done.status.success() && text(&done.stdout).contains("next: lockstep login --token-file"), "{done:?}");
    assert!(!text(&done.stdout).contains(&std::fs::read_to_string(&file)?), "the token is in what it says to people");
    Ok(())
}
