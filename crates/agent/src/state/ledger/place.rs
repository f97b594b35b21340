//! Where the ledger is kept.

use std::collections::BTreeMap;
use std::fs;

use lockstep_core::history::Mark;
use lockstep_core::id::BindingId;

use super::{Holding, Recorded, newer};
use crate::durable;
use crate::state::directory::{StateDir, io_error, read_json, write_json};
use crate::state::held::{Change, Contents};
use crate::state::{State, StateError};

pub(super) const REGISTRY: &str = "registry.json";
pub(super) const HELD: &str = "held";

/// All that was recorded, and the newest of all heads.
pub(super) type Loaded = (BTreeMap<BindingId, Recorded>, Option<Mark>);

/// From a file for each binding.
pub(super) fn load(dir: &StateDir) -> Result<Loaded, StateError> {
    let (mut recorded, mut floor) = (BTreeMap::new(), None);
    let folder = dir.file(HELD);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        found => Some(found.map_err(io_error("list", &folder))?),
    };
    for entry in entries.into_iter().flatten() {
        let path = entry.map_err(io_error("list", &folder))?.path();
        let stem = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json"));
        let Some(binding) = stem.and_then(|s| s.parse().ok()) else { continue };
        if let Some(found) = read_json::<Recorded>(&path)? {
            floor = newer(floor, found.head);
            recorded.insert(binding, found);
        }
    }
    Ok((recorded, floor))
}

/// From a Secret.
pub(super) fn from_contents(contents: Contents) -> Loaded {
    let recorded = contents.held.into_iter().map(|(binding, holding)| (binding, Recorded { holding, head: None }));
    (recorded.collect(), contents.floor)
}

/// Writes what there is for `binding` now, where it was `before`; `floor` is the newest of all heads.
pub(super) fn put(
    state: &State,
    binding: BindingId,
    before: Option<&Recorded>,
    now: &Recorded,
    floor: Option<Mark>,
) -> Result<(), StateError> {
    match state {
        State::Directory(dir) => {
            let folder = dir.file(HELD);
            durable::ensure_directory(&folder).map_err(io_error("create", &folder))?;
            write_json(&folder.join(format!("{binding}.json")), now)
        }
        State::Secret(secret) => {
            let change = change(before.map(|recorded| &*recorded.holding), &now.holding);
            secret.held.change(change, |contents| {
                contents.floor = floor;
                contents.held.insert(binding, now.holding.clone());
            });
            Ok(())
        }
    }
}

/// Forgets these; their heads are in the floor already.
pub(super) fn forget(state: &State, bindings: &[BindingId]) -> Result<(), StateError> {
    match state {
        State::Directory(dir) => bindings.iter().try_for_each(|binding| {
            let path = dir.file(HELD).join(format!("{binding}.json"));
            durable::remove(&path).map_err(io_error("remove", &path))
        }),
        State::Secret(secret) => {
            secret.held.change(Change::Shaped, |contents| {
                for binding in bindings {
                    contents.held.remove(binding);
                }
            });
            Ok(())
        }
    }
}

fn change(before: Option<&Holding>, now: &Holding) -> Change {
    match (before, now) {
        (Some(Holding::Held(before)), Holding::Held(now)) if before.is_alike(now) => Change::Moved,
        _ => Change::Shaped,
    }
}
