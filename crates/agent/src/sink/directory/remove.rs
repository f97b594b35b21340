//! Taking a target away.

use std::fs;
use std::path::Path;

use super::{DATA, MARK, discard, refused, swap};
use crate::durable;
use crate::sink::SinkError;

/// Removes the target directory `target`, which is ours. Where somebody put other files into it, only what is ours goes.
pub(super) fn remove(target: &Path, aside: &Path, root: &Path) -> Result<(), SinkError> {
    if has_only_ours(target)? {
        // One step for a reader; what a crash leaves aside is removed at the next start.
        discard(aside)?;
        fs::rename(target, aside).map_err(refused("remove", target))?;
        durable::sync_directory(root).map_err(refused("flush", root))?;
        return discard(aside);
    }
    for name in swap::our_links(target)?.iter().map(String::as_str).chain([DATA, MARK]) {
        let path = target.join(name);
        durable::remove(&path).map_err(refused("remove", &path))?;
    }
    for directory in swap::content_directories(target)? {
        empty_but_for_mark(&directory)?;
    }
    // The marks go last: a crash before must leave a directory that is still known as ours.
    for directory in swap::content_directories(target)? {
        discard(&directory)?;
    }
    durable::sync_directory(target).map_err(refused("flush", target))
}

fn has_only_ours(target: &Path) -> Result<bool, SinkError> {
    let links = swap::our_links(target)?;
    for entry in fs::read_dir(target).map_err(refused("list", target))? {
        let name = entry.map_err(refused("list", target))?.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with("..") || links.contains(name));
        if !ours {
            return Ok(false);
        }
    }
    Ok(true)
}

fn empty_but_for_mark(directory: &Path) -> Result<(), SinkError> {
    for entry in fs::read_dir(directory).map_err(refused("list", directory))? {
        let entry = entry.map_err(refused("list", directory))?;
        if entry.file_name() != MARK {
            discard(&entry.path())?;
        }
    }
    Ok(())
}
