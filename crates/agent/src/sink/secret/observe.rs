//! Looking at one Secret.

use lockstep_core::digest::Digest;

use super::Destination;
use super::Shared;
use super::location::Location;
use super::memory::Look;
use super::view::View;
use crate::sink::{Observed, Owner, SinkError};
use crate::state::keyring::Keys;

impl Shared {
    /// What is in one Secret of a target; `digest`: of what should be there. Where a watch vouches that nothing changed, nobody is asked.
    pub(super) async fn observe_at(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        location: &Location,
        digest: &Digest,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        if let Some(seen) = self.memory.unchanged(location, owner.binding) {
            return Ok(Observed::Content(seen.digests, seen.mark.stamp()));
        }
        let object = self.api.get(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
        let Some(object) = object else {
            let (_, known) = self.memory.known(location, owner.binding);
            self.memory.looked(location, owner.binding, Look { former: Some(digest.clone()), ..Look::default() });
            // In a namespace that was selected only now nothing was ever written.
            let is_new = known.is_none() && !destination.target.namespaces.contains(&location.namespace);
            return Ok(if is_new { Observed::Incomplete } else { Observed::Absent });
        };
        let (observed, look) = View::of(&object, owner, location, keys).look(destination.target, keys);
        self.memory.looked(location, owner.binding, look);
        Ok(observed)
    }
}
