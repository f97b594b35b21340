//! The mark in a directory that Lockstep made. Who cannot make the HMAC cannot make a directory look like ours.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use lockstep_core::digest::{DIGEST_BYTES, Digest};
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::name::DirectoryName;
use lockstep_core::revision::Revision;
use serde::{Deserialize, Serialize};

use super::{DATA, MARK, refused};
use crate::sink::mark::{Seal, Vouched};
use crate::sink::{Owner, SinkError, Stamp};
use crate::state::keyring::Keys;

/// The most bytes a mark may have.
const MARK_MAX_BYTES: u64 = 4096;
/// See [`Vouched::context`].
const MARK_CONTEXT: &str = "lockstep directory mark v1";

/// Which target of which owner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) owner: Owner,
    pub(super) name: &'a DirectoryName,
}

/// The mark, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DirectoryMark {
    registry: RegistryId,
    binding: BindingId,
    /// A mark copied to another directory is not valid there.
    target: DirectoryName,
    revision: Revision,
    digest: Digest,
    #[serde(with = "hex::serde")]
    hmac: Seal,
}

/// Whose mark it is.
pub(super) enum MarkStanding {
    /// This owner's, for this target.
    Ours,
    /// A valid one of another binding of the same registry.
    OtherBinding(BindingId),
    /// Forged, of another target or registry, or under a key that was never ours.
    Invalid,
}

impl DirectoryMark {
    /// A mark for what is about to be written.
    pub(super) fn sign(place: Place<'_>, stamp: &Stamp, keys: &Keys) -> Result<Self, SinkError> {
        let mark = Self {
            registry: place.owner.registry,
            binding: place.owner.binding,
            target: place.name.clone(),
            revision: stamp.revision,
            digest: stamp.digest.clone(),
            hmac: [0; DIGEST_BYTES],
        };
        let hmac = mark.vouched(stamp).seal(keys)?;
        Ok(Self { hmac, ..mark })
    }

    /// Its file's bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(self)
    }

    /// What it stands for.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { revision: self.revision, digest: self.digest.clone() }
    }

    /// Whose it is, seen from `place`.
    pub(super) fn standing(&self, place: Place<'_>, keys: &Keys) -> MarkStanding {
        let here = self.registry == place.owner.registry && self.target == *place.name;
        if !here || !self.vouched(&self.stamp()).is_sealed(&self.hmac, keys) {
            MarkStanding::Invalid
        } else if self.binding == place.owner.binding {
            MarkStanding::Ours
        } else {
            MarkStanding::OtherBinding(self.binding)
        }
    }

    fn vouched<'a>(&'a self, stamp: &'a Stamp) -> Vouched<'a> {
        let owner = Owner { registry: self.registry, binding: self.binding };
        Vouched { context: MARK_CONTEXT, owner, place: self.target.as_str(), stamp, rest: &[] }
    }
}

/// The mark in a content directory; `None` where there is none that can be read as one.
pub(super) fn read(content: &Path) -> Option<DirectoryMark> {
    // A pipe or a link put there must neither block nor lead elsewhere.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(content.join(MARK)).ok()?;
    let mut bytes = Vec::new();
    file.take(MARK_MAX_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// All marks in a target, that of the present content first. A crash, or somebody who removed the link to the content, leaves
/// others.
pub(super) fn marks_in(target: &Path) -> Result<Vec<DirectoryMark>, SinkError> {
    let present = fs::read_link(target.join(DATA)).ok();
    let mut marks = Vec::new();
    for entry in fs::read_dir(target).map_err(refused("list", target))? {
        let entry = entry.map_err(refused("list", target))?;
        let name = entry.file_name();
        let is_content = name.to_string_lossy().starts_with("..") && entry.file_type().is_ok_and(|t| t.is_dir());
        let Some(mark) = is_content.then(|| read(&entry.path())).flatten() else { continue };
        if present.as_deref() == Some(Path::new(&name)) {
            marks.insert(0, mark);
        } else {
            marks.push(mark);
        }
    }
    Ok(marks)
}

/// Whether nothing in a directory could ever have been ours: no content directory and no link to one, whatever they say.
pub(super) fn is_unmarked(target: &Path) -> Result<bool, SinkError> {
    for entry in fs::read_dir(target).map_err(refused("list", target))? {
        if entry.map_err(refused("list", target))?.file_name().to_string_lossy().starts_with("..") {
            return Ok(false);
        }
    }
    Ok(true)
}
