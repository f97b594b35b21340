//! The repository's documents.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::checkout;

use crate::fence::{self, Fence};
use crate::world::World;

/// The line at a page's top that says where its commands are run.
const WORLD: &str = "<!-- run: ";

/// A document.
pub(crate) struct Page {
    /// From the repository's root.
    pub(crate) path: String,
    pub(crate) world: Option<World>,
    pub(crate) fences: Vec<Fence>,
}

impl Page {
    fn read(root: &Path, path: &str) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
        let world = text.lines().find_map(|line| line.strip_prefix(WORLD)?.strip_suffix(" -->"));
        let world =
            world.map(|name| World::named(name).with_context(|| format!("{path}: there is no world {name}"))).transpose()?;
        Ok(Self { path: path.to_owned(), world, fences: fence::all(&text) })
    }
}

fn root() -> Result<PathBuf> {
    let workspace = checkout::find("rust-toolchain.toml")?;
    Ok(workspace.parent().context("a file without a folder")?.to_owned())
}

/// All documents.
pub(crate) fn all() -> Result<Vec<Page>> {
    let root = root()?;
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(&root)
        .output()
        .context("running git")?;
    let listed = String::from_utf8(listed.stdout)?;
    let paths = listed.lines().filter(|path| root.join(path).exists());
    let pages = paths.map(|path| Page::read(&root, path)).collect::<Result<Vec<_>>>()?;
    ensure!(pages.len() > 10, "only {} documents were found", pages.len());
    Ok(pages)
}

/// The chapters of `docs/SUMMARY.md`.
pub(crate) fn in_order_of_the_book() -> Result<Vec<Page>> {
    let root = root()?;
    let summary = std::fs::read_to_string(root.join("docs/SUMMARY.md")).context("reading docs/SUMMARY.md")?;
    let chapters = summary.lines().filter_map(|line| line.split_once("](")?.1.split_once(')').map(|(path, _)| path));
    chapters.map(|path| Page::read(&root, &format!("docs/{path}"))).collect()
}

#[test]
fn every_page_of_docs_is_a_chapter_of_the_book() -> Result<()> {
    let chapters: Vec<String> = in_order_of_the_book()?.into_iter().map(|page| page.path).collect();
    let pages = all()?.into_iter().map(|page| page.path).filter(|path| path.starts_with("docs/") && path != "docs/SUMMARY.md");
    let missing: Vec<String> = pages.filter(|path| !chapters.contains(path)).collect();
    ensure!(missing.is_empty(), "docs/SUMMARY.md lacks {}", missing.join(", "));
    Ok(())
}
