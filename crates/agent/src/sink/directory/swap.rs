//! Writing content into a target in one visible step.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lockstep_core::render::Rendered;

use super::mark::DirectoryMark;
use super::{DATA, MARK, discard, refused};
use crate::durable;
use crate::sink::SinkError;

/// A link that is about to be renamed over another.
const LINK_ASIDE: &str = "..link";
/// How many names for a content directory are tried; more than crashes can leave between two writes that succeed.
const NAMES_MAX: u32 = 1000;

/// Writes `content` into the target directory `target`, which exists and is ours. Until the link is renamed nothing changes for a
/// reader; a failure before leaves the old content as it was.
pub(super) fn swap(target: &Path, content: &Rendered, mark: &DirectoryMark) -> Result<(), SinkError> {
    refuse_obstacles(target, content)?;
    let fresh = fresh_directory(target, mark)?;
    let name = fresh.file_name().unwrap_or_default();
    let visible = fill(&fresh, content, mark).and_then(|()| point(target, DATA, Path::new(name)));
    if visible.is_err() {
        let _ = fs::remove_dir_all(&fresh);
        return visible;
    }
    // From here on the new content is the content; a crash is completed by the next write, and seen by the next look.
    for (key, _) in content.iter() {
        point(target, key, &Path::new(DATA).join(key))?;
    }
    point(target, MARK, &Path::new(DATA).join(MARK))?;
    remove_stale_links(target, content)?;
    durable::sync_directory(target).map_err(refused("flush", target))?;
    remove_old_content(target, name)
}

/// A directory where a link must go cannot be renamed over; say so before anything is touched.
fn refuse_obstacles(target: &Path, content: &Rendered) -> Result<(), SinkError> {
    let names = content.iter().map(|(key, _)| key).chain([DATA, MARK, LINK_ASIDE]);
    for path in names.map(|name| target.join(name)) {
        if fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir()) {
            return Err(SinkError::Conflict(format!(
                "{} is a directory that Lockstep did not make: move it away",
                path.display()
            )));
        }
    }
    Ok(())
}

fn fresh_directory(target: &Path, mark: &DirectoryMark) -> Result<PathBuf, SinkError> {
    let revision = mark.stamp().revision;
    let mut number = 0;
    loop {
        let path = target.join(format!("..{revision}-{number}"));
        match durable::create_directory(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES_MAX => number += 1,
            Err(error) => return Err(refused("create", &path)(error)),
        }
    }
}

fn fill(fresh: &Path, content: &Rendered, mark: &DirectoryMark) -> Result<(), SinkError> {
    for (key, material) in content.iter() {
        let path = fresh.join(key);
        durable::create(&path, material.expose()).map_err(refused("write", &path))?;
    }
    let path = fresh.join(MARK);
    let bytes = mark.to_bytes().map_err(|e| refused("write", &path)(e.into()))?;
    durable::create(&path, &bytes).map_err(refused("write", &path))?;
    durable::sync_directory(fresh).map_err(refused("flush", fresh))
}

/// Makes `<target>/<name>` a link to `to`, in one step, over whatever link or file is there.
fn point(target: &Path, name: &str, to: &Path) -> Result<(), SinkError> {
    let path = target.join(name);
    if fs::read_link(&path).is_ok_and(|present| present == to) {
        return Ok(());
    }
    let aside = target.join(LINK_ASIDE);
    let renamed = durable::remove(&aside).and_then(|()| symlink(to, &aside)).and_then(|()| fs::rename(&aside, &path));
    renamed.map_err(refused("write", &path))
}

/// Removes the links to keys that are no more. Other files are not ours.
fn remove_stale_links(target: &Path, content: &Rendered) -> Result<(), SinkError> {
    let keys: BTreeSet<&str> = content.iter().map(|(key, _)| key).collect();
    for name in our_links(target)? {
        if !keys.contains(name.as_str()) {
            let path = target.join(&name);
            durable::remove(&path).map_err(refused("remove", &path))?;
        }
    }
    Ok(())
}

/// The names of the links to keys: those that lead to the key of their own name.
pub(super) fn our_links(target: &Path) -> Result<BTreeSet<String>, SinkError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(target).map_err(refused("list", target))? {
        let entry = entry.map_err(refused("list", target))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let leads_to = fs::read_link(entry.path()).ok();
        if !name.starts_with("..") && leads_to.is_some_and(|to| to == Path::new(DATA).join(&name)) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Removes every content directory but `keep`: the one before, and what crashes left.
fn remove_old_content(target: &Path, keep: &OsStr) -> Result<(), SinkError> {
    for path in content_directories(target)? {
        if path.file_name() != Some(keep) {
            discard(&path)?;
        }
    }
    Ok(())
}

/// The real directories in a target whose names begin as ours do.
pub(super) fn content_directories(target: &Path) -> Result<Vec<PathBuf>, SinkError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(target).map_err(refused("list", target))? {
        let entry = entry.map_err(refused("list", target))?;
        if entry.file_name().to_string_lossy().starts_with("..") && entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
