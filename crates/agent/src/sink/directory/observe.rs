//! Reading a target back as a reader of it would.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lockstep_core::material::Material;
use lockstep_core::render::{CONTENT_MAX_BYTES, Rendered, is_content_key};

use super::mark::{self, MarkStanding, Place};
use super::{DATA, MARK, refused, swap};
use crate::sink::{Observed, SinkError};
use crate::state::keyring::Keys;

/// What is in the target directory `target`, which is ours.
pub(super) fn content(target: &Path, place: Place<'_>, keys: &Keys) -> Result<Observed, SinkError> {
    let Some(present) = present_content(target) else { return Ok(Observed::Altered) };
    let directory = target.join(present);
    let Some(mark) = mark::read(&directory).filter(|m| matches!(m.standing(place, keys), MarkStanding::Ours)) else {
        return Ok(Observed::Altered);
    };
    let Some(content) = read_files(&directory)? else { return Ok(Observed::Altered) };
    // A reader comes through the links: each key must have its own, and there must be no link to a key that is not there.
    let links = swap::our_links(target)?;
    if content.iter().map(|(key, _)| key).eq(links.iter().map(String::as_str)) {
        Ok(Observed::Content(keys.digests(&content), mark.stamp()))
    } else {
        Ok(Observed::Altered)
    }
}

/// The name of the directory that is the content: a real directory beside the link, nothing else.
fn present_content(target: &Path) -> Option<std::path::PathBuf> {
    let name = fs::read_link(target.join(DATA)).ok()?;
    let text = name.to_str()?;
    let beside = text.starts_with("..") && text.len() > 2 && !text.contains('/');
    let is_directory = fs::symlink_metadata(target.join(&name)).is_ok_and(|m| m.is_dir());
    (beside && is_directory).then_some(name)
}

/// The files of a content directory; `None` if something in it is not a private file of a possible key and size.
fn read_files(directory: &Path) -> Result<Option<Rendered>, SinkError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(refused("list", directory))? {
        let Ok(name) = entry.map_err(refused("list", directory))?.file_name().into_string() else { return Ok(None) };
        if name != MARK {
            names.insert(name);
        }
    }
    let mut files = Vec::new();
    let mut room = CONTENT_MAX_BYTES;
    for name in names {
        let Some(material) = is_content_key(&name).then(|| read_file(&directory.join(&name), room)).flatten() else {
            return Ok(None);
        };
        room = room.saturating_sub(material.len());
        files.push((name, material));
    }
    Ok(Rendered::of(files).ok())
}

/// One file's bytes; `None` if it is no plain file, has more than `room` bytes, or everybody may read it.
fn read_file(path: &Path, room: usize) -> Option<Material> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let size = usize::try_from(metadata.len()).ok().filter(|size| *size <= room)?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o007 != 0 {
        return None;
    }
    // Room for the whole file at once: a buffer that grows leaves copies behind that nobody wipes.
    let mut bytes = Vec::with_capacity(size + 1);
    file.by_ref().take(room as u64 + 1).read_to_end(&mut bytes).ok()?;
    Some(Material::new(bytes))
}
