//! Taking content away: the whole Secret where all of it is ours, only our part of it where others have theirs.

use super::Shared;
use super::body::Released;
use super::failure::Failure;
use super::field::{Field, MANAGED_LABEL};
use super::location::Location;
use super::mark;
use super::view::{View, manager};
use crate::sink::{Owner, SinkError};
use crate::state::keyring::Keys;

/// How often a Secret that changes under our hands is looked at before it is left for later.
const TRIES_MAX: usize = 3;

impl Shared {
    /// Removes what `owner` has in one Secret. One that is gone is fine, and so is one that another tool made since: nothing of it is
    /// ours. One where only the mark is wrong is left to a person.
    pub(super) async fn remove_at(&self, owner: Owner, location: &Location, keys: &Keys) -> Result<(), SinkError> {
        let mut last = None;
        for _ in 0..TRIES_MAX {
            let object = match self.api.get(location).await {
                Ok(object) => object,
                // With its namespace went the Secret, and the right to look there.
                Err(failure) if failure.is_forbidden() && self.api.lacks_namespace(&location.namespace).await => None,
                Err(failure) => return Err(failure.explain_removal("get", location)),
            };
            let Some(object) = object else { return Ok(()) };
            let view = View::of(&object, owner, location, keys);
            if view.has_nothing() {
                return Ok(());
            }
            if view.mark.is_none() {
                return Err(SinkError::Conflict(format!(
                    "Secret {location} does not carry this binding's mark, so it is left as it is: remove by hand what is not wanted of it"
                )));
            }
            self.must_lead()?;
            let (uid, version) = (&object.metadata.uid, object.metadata.resource_version.as_str());
            let removed = if view.is_shared() || object.metadata.owner_references {
                self.release(owner, location, &view, version).await
            } else {
                self.api.delete(location, uid, version).await.map_err(|failure| ("delete", failure))
            };
            match removed {
                Ok(()) => return Ok(()),
                Err((verb, failure)) if failure.is_stale() => last = Some((verb, failure)),
                Err(("patch", Failure::Refused(refused))) if refused.code == 422 => return Err(indispensable(location)),
                Err((verb, failure)) => return Err(failure.explain("remove", verb, location)),
            }
        }
        let explained = last.map(|(verb, failure)| failure.explain("remove", verb, location));
        explained.map_or(Ok(()), Err)
    }

    /// Takes just what only this binding wrote, mark included. Not by an apply of nothing: that would take the whole of `data` where no
    /// field manager is on record for the keys that are left.
    async fn release(
        &self,
        owner: Owner,
        location: &Location,
        view: &View<'_>,
        version: &str,
    ) -> Result<(), (&'static str, Failure)> {
        let mut nothing = Released::of(version);
        view.own_alone().for_each(|field| nothing.take(field));
        nothing.take(&Field::Annotation(mark::annotation(owner.binding)));
        if view.is_last() {
            nothing.take(&Field::Label(MANAGED_LABEL.to_owned()));
        } else {
            nothing.keep_label(MANAGED_LABEL);
        }
        let released = self.api.merge(location, &manager(owner.binding), &nothing).await;
        released.map_err(|failure| ("patch", failure))
    }
}

/// The Secret's type asks for keys that are ours, and others have theirs beside them.
fn indispensable(location: &Location) -> SinkError {
    SinkError::Conflict(format!(
        "Secret {location} holds keys of others, and its type does not let it be without this binding's: remove it by hand"
    ))
}
