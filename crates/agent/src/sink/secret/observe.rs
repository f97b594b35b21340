//! Looking at one Secret.

use super::Destination;
use super::Shared;
use super::failure::Failure;
use super::location::Location;
use super::memory::Look;
use super::view::{View, manager};
use crate::sink::{Expected, Observed, Owner, SinkError};
use crate::state::keyring::Keys;

impl Shared {
    /// What is in one Secret of a target; `digest`: of what should be there. Where a watch vouches that nothing changed, nobody is asked.
    pub(super) async fn observe_at(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        location: &Location,
        expected: Expected<'_>,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        if let Some(seen) = self.memory.unchanged(location, owner.binding) {
            return Ok(Observed::Content(seen.digests, seen.mark.stamp()).or_altered());
        }
        let (_, known) = self.memory.known(location, owner.binding);
        let refused = self.memory.is_refused(location, owner.binding);
        let namespace = &location.namespace;
        let had_content = known.is_some()
            || !expected.unfinished
                && (destination.target.namespaces.contains(namespace) || expected.reached.contains(namespace));
        let object = match self.api.get(location).await {
            Ok(object) => object,
            // The rights for a namespace that was selected only now may be missing: the server hears it when it sends the content.
            Err(Failure::Refused(why)) if why.code == 403 && !had_content => {
                return Ok(if refused { Observed::Refused } else { Observed::Incomplete });
            }
            Err(failure) => return Err(failure.explain("look at", "get", location)),
        };
        let (observed, look) = match &object {
            None => (Observed::Absent, Look { former: Some(expected.digest.clone()), ..Look::default() }),
            Some(object) => {
                let view = View::of(object, owner, location, keys);
                let (observed, look) = view.look(destination.target, keys);
                match view.taken_by(destination.target, |other| self.memory.is_delivered(location, other)) {
                    // Also where both say the same: content would be refused.
                    Some(taker) => (Observed::Foreign, Look { seen: None, changed_by: Some(manager(taker)), ..look }),
                    None => (observed, look),
                }
            }
        };
        self.memory.looked(location, owner.binding, look);
        Ok(match observed.or_altered() {
            Observed::Absent | Observed::Foreign | Observed::Altered if refused => Observed::Refused,
            // In a namespace that was selected only now, or where a delivery did not come, nothing was ever written.
            Observed::Absent | Observed::Foreign if !had_content => Observed::Incomplete,
            observed => observed,
        })
    }
}
