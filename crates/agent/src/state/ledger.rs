//! What the agent holds, binding by binding, the registry it belongs to, and the newest point of the history it has seen.

mod held;
mod place;

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::revision::Revision;
use serde::{Deserialize, Serialize};

use super::directory::read_json;
use super::{State, StateDir, StateError};
use crate::sink::Place;
use crate::sink::secret::Versions;
use place::REGISTRY;

pub(crate) use held::{Held, REACHED_MAX};

/// How many given-up bindings are remembered, so that a lost ack can be answered again; the oldest revisions are forgotten first.
pub(crate) const GIVEN_UP_MAX: usize = 10_000;

/// What the agent has for one binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holding {
    /// Content in a target.
    Held(Held),
    /// Nothing of ours: what is there was only compared.
    Observed(Compared),
    /// Nothing any more.
    GivenUp {
        /// The change that took it away.
        revision: Revision,
    },
}

/// Content that was compared with a target, and not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// The binding's name, for people.
    pub(crate) name: String,
    /// What was compared.
    pub(crate) revision: Revision,
    /// Of what was compared.
    pub(crate) digest: Digest,
    /// With what.
    pub(crate) target: Target,
    /// Which versions of it.
    #[serde(default)]
    pub(crate) versions: Versions,
    /// Of the namespaces that the target selects by label.
    #[serde(default, skip_serializing_if = "AllowedNamespaces::is_none")]
    pub(crate) allowed: AllowedNamespaces,
}

impl Compared {
    /// Where it would be.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { target: &self.target, allowed: &self.allowed }
    }
}

/// The registry as the agent knows it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Known {
    registry: Option<RegistryId>,
    /// The heads of bindings that are forgotten.
    floor: Option<Mark>,
}

/// One binding, as in its file. The head is in it, not in a file of its own, because flushing is what a delivery's time goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    holding: Arc<Holding>,
    /// The newest head that came with this binding; unused in Kubernetes, where one floor is written with all bindings.
    head: Option<Mark>,
}

/// All of it, in memory and where the state is. A disk is written first; a Secret is written behind.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: State,
    known: Known,
    recorded: BTreeMap<BindingId, Recorded>,
    /// How many of these are content.
    held_count: usize,
    /// The newest of all heads.
    floor: Option<Mark>,
}

impl Holding {
    /// The newest change applied, be it content or its end.
    pub(crate) fn revision(&self) -> Revision {
        match self {
            Self::Held(held) => held.revision,
            Self::Observed(compared) => compared.revision,
            Self::GivenUp { revision } => *revision,
        }
    }

    fn is_content(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    fn is_given_up(&self) -> bool {
        matches!(self, Self::GivenUp { .. })
    }
}

impl Ledger {
    /// From wherever the state is.
    pub(crate) async fn open(state: &State) -> Result<Self, StateError> {
        match state {
            State::Directory(dir) => Self::load(dir),
            State::Secret(secret) => {
                Ok(Self::of(state.clone(), state.read_json(REGISTRY).await?, place::from_contents(secret.held.contents())))
            }
        }
    }

    /// From a state directory.
    pub(crate) fn load(dir: &StateDir) -> Result<Self, StateError> {
        Ok(Self::of(State::Directory(dir.clone()), read_json(&dir.file(REGISTRY))?, place::load(dir)?))
    }

    fn of(state: State, known: Option<Known>, (recorded, floor): place::Loaded) -> Self {
        let known = known.unwrap_or_default();
        let held_count = recorded.values().filter(|recorded| recorded.holding.is_content()).count();
        Self { state, known, recorded, held_count, floor: newer(known.floor, floor) }
    }

    /// Whether recording waits for a disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(self.state, State::Directory(_))
    }

    /// The registry it belongs to; `None` before the first `Welcome`.
    pub(crate) fn registry(&self) -> Option<RegistryId> {
        self.known.registry
    }

    /// The newest point of the history it has seen.
    pub(crate) fn floor(&self) -> Option<Mark> {
        self.floor
    }

    /// Belongs to `registry` from now on. Blocks.
    pub(crate) fn belong_to(&mut self, registry: RegistryId) -> Result<(), StateError> {
        self.write_known(Known { registry: Some(registry), ..self.known })
    }

    /// All holdings, in order of binding.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (BindingId, &Holding)> {
        self.recorded.iter().map(|(binding, recorded)| (*binding, &*recorded.holding))
    }

    /// What it has for `binding`.
    pub(crate) fn get(&self, binding: BindingId) -> Option<&Holding> {
        self.recorded.get(&binding).map(|recorded| &*recorded.holding)
    }

    /// How many bindings have content.
    pub(crate) fn held_count(&self) -> usize {
        self.held_count
    }

    /// Records what there is for `binding`, and the history's head that came with it; the floor only rises.
    pub(crate) fn record(&mut self, binding: BindingId, holding: Holding, head: Option<Mark>) -> Result<(), StateError> {
        let present = self.recorded.get(&binding);
        let floor = newer(self.floor, head);
        let recorded = Recorded { holding: Arc::new(holding), head: newer(present.and_then(|p| p.head), head) };
        if present == Some(&recorded) {
            return Ok(());
        }
        place::put(&self.state, binding, present, &recorded, floor)?;
        self.floor = floor;
        let (is_content, is_given_up) = (recorded.holding.is_content(), recorded.holding.is_given_up());
        let was_content = self.recorded.insert(binding, recorded).is_some_and(|former| former.holding.is_content());
        self.held_count = self.held_count + usize::from(is_content) - usize::from(was_content);
        if is_given_up { self.forget_oldest_given_up(GIVEN_UP_MAX) } else { Ok(()) }
    }

    /// Takes back what was recorded since `before`: nothing came of it. The floor stays.
    pub(crate) fn take_back(&mut self, binding: BindingId, before: Option<Holding>) -> Result<(), StateError> {
        match before {
            Some(holding) => self.record(binding, holding, None),
            None => self.forget(&[binding]),
        }
    }

    fn forget_oldest_given_up(&mut self, keep: usize) -> Result<(), StateError> {
        let mut given_up: Vec<(Revision, BindingId)> =
            self.iter().filter(|(_, h)| h.is_given_up()).map(|(b, h)| (h.revision(), b)).collect();
        if given_up.len() <= keep {
            return Ok(());
        }
        given_up.sort_unstable();
        let forgotten: Vec<BindingId> = given_up[..given_up.len() - keep].iter().map(|(_, binding)| *binding).collect();
        self.forget(&forgotten)
    }

    fn forget(&mut self, forgotten: &[BindingId]) -> Result<(), StateError> {
        if matches!(self.state, State::Directory(_)) {
            // Their heads are forgotten with them.
            self.write_known(Known { floor: self.floor, ..self.known })?;
        }
        place::forget(&self.state, forgotten)?;
        for binding in forgotten {
            let was_content = self.recorded.remove(binding).is_some_and(|recorded| recorded.holding.is_content());
            self.held_count -= usize::from(was_content);
        }
        Ok(())
    }

    fn write_known(&mut self, known: Known) -> Result<(), StateError> {
        self.state.write_json_blocking(REGISTRY, &known)?;
        self.known = known;
        Ok(())
    }
}

/// The newer of two points; the first where they are the same.
fn newer(one: Option<Mark>, other: Option<Mark>) -> Option<Mark> {
    let order = |mark: &Mark| (mark.epoch, mark.seq);
    if other.as_ref().map(order) > one.as_ref().map(order) { other } else { one }
}

#[cfg(test)]
mod tests;
