//! Dumps of a database, and putting one back.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use uuid::Uuid;

use super::admin;
use super::install::Install;
use super::{Database, url_of};

/// Writes a dump in pg_dump's custom format.
pub(super) fn dump(install: &Install, database: &Database, file: &Path) -> Result<()> {
    run(Command::new(install.programs.join("pg_dump"))
        .arg("--format=custom")
        .arg("--file")
        .arg(file)
        .arg(format!("--dbname={}", database.url())))
}

/// Puts a dump in a database's place. It is loaded under another name and renamed when complete, so that a server which
/// reconnects never finds half of it; clients are disconnected, as they would be by an operator's restore.
pub(super) async fn restore(install: &Install, admin_url: &str, database: &Database, file: &Path) -> Result<()> {
    let name = &database.name;
    let loaded = format!("restore_{}", Uuid::new_v4().simple());
    admin::execute(admin_url, &format!("CREATE DATABASE {loaded} TEMPLATE template0")).await?;
    run(Command::new(install.programs.join("pg_restore"))
        .arg("--exit-on-error")
        .arg(format!("--dbname={}", url_of(admin_url, &loaded)?))
        .arg(file))?;
    admin::execute(admin_url, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
    admin::execute(admin_url, &format!("ALTER DATABASE {loaded} RENAME TO {name}")).await
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command.current_dir("/").output().with_context(|| format!("running {}", program.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}:\n{}", program.display(), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
