//! How much the files may take, so that the volume they are on never has more than it may: a pod whose `emptyDir` outgrows its limit is
//! evicted, and then everything is lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lockstep_core::id::BindingId;

/// File systems give whole blocks, and a volume's limit is compared with those.
const BLOCK_BYTES: u64 = 4 << 10;
/// The file that says when a server was last there, and the one it is written to before it takes its place.
const CONFIRMED_BYTES: u64 = 2 * BLOCK_BYTES;

/// What there is, and how much it may be.
#[derive(Debug)]
pub(super) struct Room {
    max_bytes: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    files: BTreeMap<BindingId, u64>,
    /// Of all files, and of those that are being written.
    total: u64,
}

impl Room {
    /// For files with so many bytes, where there are some already.
    pub(super) fn new(max_bytes: u64, files: impl IntoIterator<Item = (BindingId, u64)>) -> Self {
        let files: BTreeMap<_, _> = files.into_iter().map(|(binding, bytes)| (binding, on_disk(bytes))).collect();
        let total = CONFIRMED_BYTES + files.values().sum::<u64>();
        Self { max_bytes, taken: Mutex::new(Taken { files, total }) }
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Room for a file of so many bytes beside all that is there, also beside the one that it is to replace: for a moment there are both.
    /// Whether there is; if so, [`Room::settle`] follows.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        self.with(|taken| {
            let total = taken.total + on_disk(bytes);
            let fits = total <= self.max_bytes;
            if fits {
                taken.total = total;
            }
            fits
        })
    }

    /// What became of it: it took the place of the one before, or it was not written.
    pub(super) fn settle(&self, binding: BindingId, bytes: u64, is_written: bool) {
        self.with(|taken| {
            let gone = if is_written { taken.files.insert(binding, on_disk(bytes)) } else { Some(on_disk(bytes)) };
            taken.total -= gone.unwrap_or_default();
        });
    }

    /// The file of a binding is not there any more.
    pub(super) fn removed(&self, binding: BindingId) {
        self.with(|taken| taken.total -= taken.files.remove(&binding).unwrap_or_default());
    }

    /// What is there, as long as it has no more than it may have; and what is beyond. Those come first that `is_first` says.
    pub(super) fn within(&self, is_first: impl Fn(BindingId) -> bool) -> (Vec<BindingId>, Vec<BindingId>) {
        let mut files: Vec<_> = self.with(|taken| taken.files.iter().map(|(binding, bytes)| (*binding, *bytes)).collect());
        files.sort_by_key(|(binding, _)| !is_first(*binding));
        let (mut total, mut within, mut beyond) = (CONFIRMED_BYTES, Vec::new(), Vec::new());
        for (binding, bytes) in files {
            if total + bytes <= self.max_bytes {
                total += bytes;
                within.push(binding);
            } else {
                beyond.push(binding);
            }
        }
        (within, beyond)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Taken) -> T) -> T {
        work(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn on_disk(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES) * BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(number: u128) -> BindingId {
        Uuid::from_u128(number).into()
    }

    /// With so many blocks for entries.
    fn room(blocks: u64, files: &[(u128, u64)]) -> Room {
        Room::new(CONFIRMED_BYTES + blocks * BLOCK_BYTES, files.iter().map(|(number, bytes)| (id(*number), *bytes)))
    }

    #[test]
    fn a_file_counts_whole_blocks_and_beside_the_one_it_replaces_until_it_has_its_place() {
        let room = room(3, &[(1, BLOCK_BYTES + 1)]);
        assert!(!room.reserve(BLOCK_BYTES + 1), "one block is left");
        assert!(room.reserve(1));
        assert!(!room.reserve(1), "what is being written counts");
        room.settle(id(1), 1, true);
        assert!(room.reserve(BLOCK_BYTES + 1), "its two blocks of before are free");
        room.settle(id(2), BLOCK_BYTES + 1, false);
        room.removed(id(1));
        room.removed(id(1));
        assert!(room.reserve(3 * BLOCK_BYTES) && !room.reserve(1));
    }

    #[test]
    fn of_files_that_are_too_many_those_are_taken_that_are_wanted_first_as_far_as_there_is_room() {
        let room = room(3, &[(1, 2 * BLOCK_BYTES), (2, 2 * BLOCK_BYTES), (3, 1)]);
        assert_eq!(room.within(|_| true), (vec![id(1), id(3)], vec![id(2)]));
        assert_eq!(room.within(|binding| binding == id(2)), (vec![id(2), id(3)], vec![id(1)]));
        assert!(!room.reserve(1));
    }
}
