//! What the agent holds, binding by binding, the registry it belongs to, and the newest point of the history it has seen.

use std::collections::BTreeMap;
use std::fs;

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::revision::Revision;
use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, io_error, read_json, write_json};
use crate::durable;

const REGISTRY: &str = "registry.json";
const HELD: &str = "held";

/// How many given-up bindings are remembered, so that a lost ack can be answered again; the oldest revisions are forgotten first.
pub(crate) const GIVEN_UP_MAX: usize = 10_000;

/// What the agent has for one binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holding {
    /// Content in a target.
    Held(Held),
    /// Nothing any more.
    GivenUp {
        /// The change that took it away.
        revision: Revision,
    },
}

/// Content in a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The binding's name, for people.
    pub(crate) name: String,
    /// What was applied.
    pub(crate) revision: Revision,
    /// Of what was applied.
    pub(crate) digest: Digest,
    /// Where to.
    pub(crate) target: Target,
    /// Where it was before, and is still to be removed: a crash may come between writing the new and removing the old.
    pub(crate) former: Vec<Target>,
}

/// The registry as the agent knows it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Known {
    registry: Option<RegistryId>,
    floor: Option<Mark>,
}

/// All of it, in memory and on disk; the disk is written first.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: StateDir,
    known: Known,
    holdings: BTreeMap<BindingId, Holding>,
}

impl Holding {
    /// The newest change applied, be it content or its end.
    pub(crate) fn revision(&self) -> Revision {
        match self {
            Self::Held(held) => held.revision,
            Self::GivenUp { revision } => *revision,
        }
    }
}

impl Ledger {
    /// From the state directory.
    pub(crate) fn load(dir: &StateDir) -> Result<Self, StateError> {
        let known = read_json(&dir.file(REGISTRY))?.unwrap_or_default();
        let mut holdings = BTreeMap::new();
        let folder = dir.file(HELD);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            found => Some(found.map_err(io_error("list", &folder))?),
        };
        for entry in entries.into_iter().flatten() {
            let path = entry.map_err(io_error("list", &folder))?.path();
            let stem = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json"));
            let Some(binding) = stem.and_then(|s| s.parse().ok()) else { continue };
            if let Some(holding) = read_json(&path)? {
                holdings.insert(binding, holding);
            }
        }
        Ok(Self { dir: dir.clone(), known, holdings })
    }

    /// The registry it belongs to; `None` before the first `Welcome`.
    pub(crate) fn registry(&self) -> Option<RegistryId> {
        self.known.registry
    }

    /// The newest point of the history it has seen.
    pub(crate) fn floor(&self) -> Option<Mark> {
        self.known.floor
    }

    /// Belongs to `registry` from now on.
    pub(crate) fn belong_to(&mut self, registry: RegistryId) -> Result<(), StateError> {
        self.write_known(Known { registry: Some(registry), ..self.known })
    }

    /// Remembers `head`, unless something newer is remembered already.
    pub(crate) fn raise_floor(&mut self, head: Mark) -> Result<(), StateError> {
        if self.known.floor.is_some_and(|floor| (floor.epoch, floor.seq) >= (head.epoch, head.seq)) {
            return Ok(());
        }
        self.write_known(Known { floor: Some(head), ..self.known })
    }

    /// All holdings, in order of binding.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (BindingId, &Holding)> {
        self.holdings.iter().map(|(binding, holding)| (*binding, holding))
    }

    /// What it has for `binding`.
    pub(crate) fn get(&self, binding: BindingId) -> Option<&Holding> {
        self.holdings.get(&binding)
    }

    /// How many bindings have content.
    pub(crate) fn held_count(&self) -> usize {
        self.holdings.values().filter(|h| matches!(h, Holding::Held(_))).count()
    }

    /// Records what there is for `binding`.
    pub(crate) fn record(&mut self, binding: BindingId, holding: Holding) -> Result<(), StateError> {
        if self.holdings.get(&binding) == Some(&holding) {
            return Ok(());
        }
        let folder = self.dir.file(HELD);
        durable::ensure_directory(&folder).map_err(io_error("create", &folder))?;
        write_json(&folder.join(format!("{binding}.json")), &holding)?;
        self.holdings.insert(binding, holding);
        self.forget_oldest_given_up(GIVEN_UP_MAX)
    }

    fn forget_oldest_given_up(&mut self, keep: usize) -> Result<(), StateError> {
        let mut given_up: Vec<(Revision, BindingId)> =
            self.iter().filter(|(_, h)| matches!(h, Holding::GivenUp { .. })).map(|(b, h)| (h.revision(), b)).collect();
        if given_up.len() <= keep {
            return Ok(());
        }
        given_up.sort_unstable();
        for (_, binding) in &given_up[..given_up.len() - keep] {
            let path = self.dir.file(HELD).join(format!("{binding}.json"));
            durable::remove(&path).map_err(io_error("remove", &path))?;
            self.holdings.remove(binding);
        }
        Ok(())
    }

    fn write_known(&mut self, known: Known) -> Result<(), StateError> {
        write_json(&self.dir.file(REGISTRY), &known)?;
        self.known = known;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::digest::DigestKeyId;
    use lockstep_core::history::ChangeHash;
    use lockstep_core::revision::{Epoch, Seq};
    use uuid::Uuid;

    fn revision(seq: u64) -> Revision {
        Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
    }

    fn binding(number: u64) -> BindingId {
        Uuid::from_u128(number.into()).into()
    }

    fn mark(epoch: u64, seq: u64) -> Mark {
        Mark { epoch: Epoch::new(epoch), seq: Seq::new(seq), hash: ChangeHash::new([1; 32]) }
    }

    #[test]
    fn what_is_recorded_is_there_after_a_restart() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::ensure(temporary.path()).unwrap();
        let mut ledger = Ledger::load(&dir).unwrap();
        let held = Held {
            name: "b".into(),
            revision: revision(3),
            digest: Digest { key: DigestKeyId::new("k".into()), hmac: [7; 32] },
            target: Target::Directory { name: "out".parse().unwrap() },
            former: vec![Target::Directory { name: "was".parse().unwrap() }],
        };
        ledger.record(binding(1), Holding::Held(held)).unwrap();
        ledger.record(binding(2), Holding::GivenUp { revision: revision(4) }).unwrap();
        ledger.belong_to(Uuid::from_u128(5).into()).unwrap();
        // Left by a crash in the middle of writing.
        fs::write(dir.file(HELD).join(format!("{}.json.tmp", binding(3))), "{").unwrap();
        let again = Ledger::load(&dir).unwrap();
        assert_eq!((again.holdings.clone(), again.registry()), (ledger.holdings.clone(), ledger.registry()));
        assert_eq!((again.held_count(), again.holdings.len()), (1, 2));
    }

    #[test]
    fn the_floor_only_rises() {
        let temporary = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::load(&StateDir::ensure(temporary.path()).unwrap()).unwrap();
        for (head, want) in
            [(mark(1, 5), mark(1, 5)), (mark(1, 4), mark(1, 5)), (mark(2, 1), mark(2, 1)), (mark(1, 9), mark(2, 1))]
        {
            ledger.raise_floor(head).unwrap();
            assert_eq!(ledger.floor(), Some(want));
        }
    }

    #[test]
    fn the_oldest_given_up_bindings_are_forgotten_first() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::ensure(temporary.path()).unwrap();
        let mut ledger = Ledger::load(&dir).unwrap();
        for number in 1..=5 {
            ledger.record(binding(number), Holding::GivenUp { revision: revision(10 - number) }).unwrap();
        }
        ledger.forget_oldest_given_up(2).unwrap();
        assert_eq!(Ledger::load(&dir).unwrap().iter().map(|(b, _)| b).collect::<Vec<_>>(), [binding(1), binding(2)]);
    }
}
