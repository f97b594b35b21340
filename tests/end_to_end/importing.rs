//! What `lockstep import` makes of other tools' manifests is what a server takes.

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, checkout};

#[tokio::test]
async fn every_binding_that_an_import_makes_is_taken_by_the_server() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.apply(&fleet.basics()).await?;
    for tool in ["eso", "vso", "csi"] {
        let fixtures = checkout::find("crates/cli/tests/fixtures/import")?.join(tool);
        let fixtures = fixtures.to_str().context("a path that is text")?;
        let file = fleet.folder().join(format!("{tool}.yaml"));
        let file = file.to_str().context("a path that is text")?;
        let import =
            ["import", tool, "-f", fixtures, "--project", "shop", "--source", "corp", "--clusters", "env=prod", "-o", file];
        let imported = fleet.cli_any(&import).await?;
        assert_eq!((imported.code, imported.stdout.as_str()), (2, ""), "{}", imported.stderr);
        let made = std::fs::read_to_string(file)?.matches("kind: Binding\n").count();
        let tried = fleet.cli(&["apply", "-f", file, "--dry-run=server"]).await?.stdout;
        println!("{tool}: {made} bindings, each taken");
        assert_eq!(tried.lines().filter(|line| line.ends_with(" created (server dry run)")).count(), made, "{tried}");
    }
    Ok(())
}
