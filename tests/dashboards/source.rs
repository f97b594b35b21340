//! The JSON is what the source builds, and what Grafana's models make of it.

use anyhow::{Result, ensure};
use lockstep_testbed::{Folder, checkout};

use crate::{board, python};

#[test]
fn the_checked_in_boards_are_what_the_source_builds() -> Result<()> {
    let (folder, source) = (board::folder()?, checkout::find("dashboards/src/build.py")?);
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        python::run(&source, &[&folder])?;
        return Ok(());
    }
    let built = Folder::new("boards")?;
    python::run(&source, &[built.path()])?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(built.path())? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let checked_in = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        ensure!(
            checked_in == std::fs::read_to_string(&path)?,
            "{} is not what dashboards/src builds: cargo xtask dashboards",
            path.display()
        );
        names.push(folder.join(name));
    }
    names.sort();
    ensure!(names == board::files()?, "a board that nothing builds: {names:?}");
    Ok(())
}

#[test]
fn grafanas_own_models_read_every_board_without_loss() -> Result<()> {
    let files = board::files()?;
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    python::run(&checkout::find("tests/dashboards/reread.py")?, &files)?;
    println!("{} boards read again without loss", files.len());
    Ok(())
}
