//! Whether a Secret that is there already may be written, and why not.

use std::collections::BTreeSet;
use std::sync::Arc;

use lockstep_core::binding::SecretTarget;
use lockstep_core::id::BindingId;
use lockstep_core::render::Rendered;

use super::apply::Job;
use super::explain;
use super::failure::Failure;
use super::field::Field;
use super::location::Location;
use super::mark::SecretMark;
use super::object::SecretObject;
use super::view::{View, binding_of};
use crate::sink::SinkError;

/// How to write it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Whether fields are taken from other managers.
    pub(super) force: bool,
    /// Younger bindings that lose something by it.
    pub(super) losers: BTreeSet<BindingId>,
}

/// Refuses what an older binding has here, also while the Secret is not there: whoever deletes a Secret does not decide between the two.
/// `claims`: the marks of other bindings.
pub(super) fn refuse_claimed(
    job: &Job<'_>,
    location: &Location,
    claims: &[(BindingId, Arc<SecretMark>)],
) -> Result<(), SinkError> {
    // Of an immutable Secret several bindings may have a key: whoever has it says the same.
    let keys = || job.content.iter().map(|(key, _)| Field::Key(key.to_owned())).filter(|_| !job.target.immutable);
    let claimed = claims.iter().filter(|(other, mark)| mark.rank(*other).is_before(job.rank()));
    let claimed = claimed.filter_map(|(other, mark)| Some((other, keys().find(|key| mark.fields.contains(key))?)));
    claimed.take(1).try_for_each(|(other, key)| Err(anothers(&key, location, *other)))
}

/// Compares what is to be written with what is there. `is_delivered` tells of another binding whether it delivers here.
pub(super) fn plan(
    job: &Job<'_>,
    location: &Location,
    view: &View<'_>,
    is_delivered: impl Fn(BindingId) -> bool,
) -> Result<Plan, SinkError> {
    let object = view.object;
    if object.metadata.deletion_timestamp.is_some() {
        return Err(SinkError::Kubernetes(format!(
            "Secret {location} is being deleted, and waits for a finalizer; it is tried again"
        )));
    }
    refuse_type(job.target, location, object)?;
    let Plan { mut force, mut losers } = Plan::default();
    let mut conflicts = Vec::new();
    for (field, value) in job.fields() {
        let owners = view.other_owners(&field);
        let differs = !object.has(&field, value);
        if job.target.immutable && !differs && !owners.is_empty() {
            // Nobody is ever going to say otherwise.
            continue;
        }
        // Of two bindings the older one has a key, whatever is adopted, and also while both say the same.
        let exclusive = differs || matches!(field, Field::Key(_));
        for other in owners.iter().filter_map(|owner| binding_of(owner)).filter(|other| exclusive && is_delivered(*other)) {
            if !job.rank().is_before(view.rank_of(other)) {
                return Err(anothers(&field, location, other));
            }
            force |= differs;
            losers.insert(other);
        }
        let others: Vec<String> = owners.into_iter().filter(|owner| !binding_of(owner).is_some_and(&is_delivered)).collect();
        force |= differs && !others.is_empty();
        if !job.target.adopt && view.is_somebodys(&field, differs, &others) {
            conflicts.push((field, others.into_iter().next().unwrap_or_default()));
        }
    }
    if !conflicts.is_empty() {
        return Err(conflict(&conflicts, location));
    }
    refuse_immutable(job.content, location, object)?;
    Ok(Plan { force: force || view.lost_marks(), losers })
}

/// A Secret's type never changes.
pub(super) fn refuse_type(target: &SecretTarget, location: &Location, object: &SecretObject) -> Result<(), SinkError> {
    let (there, wanted) = (object.secret_type.as_str(), target.secret_type.as_str());
    if there == wanted { Ok(()) } else { Err(explain::type_mismatch(location, Some((there, wanted)))) }
}

/// What an immutable Secret holds never changes.
pub(super) fn refuse_immutable(content: &Rendered, location: &Location, object: &SecretObject) -> Result<(), SinkError> {
    let differs = || content.iter().any(|(key, value)| !object.has(&Field::Key(key.to_owned()), value.expose()));
    if object.immutable && differs() { Err(explain::immutable(location)) } else { Ok(()) }
}

/// Two bindings want one thing, and `other` has it.
fn anothers(field: &Field, location: &Location, other: BindingId) -> SinkError {
    SinkError::Conflict(format!(
        "{field} of Secret {location} belongs to binding {other}: take it out of one of the two bindings, or map it to another name"
    ))
}

/// A conflict that only the API server saw.
pub(super) fn unforeseen(failure: &Failure, location: &Location) -> Option<SinkError> {
    let Failure::Refused(refused) = failure else { return None };
    let conflicts = refused.conflicts();
    (!conflicts.is_empty()).then(|| conflict(&conflicts, location))
}

/// Who owns what, and what to do.
fn conflict(conflicts: &[(Field, String)], location: &Location) -> SinkError {
    let (first, owner) = &conflicts[0];
    let same: Vec<String> = conflicts.iter().filter(|(_, other)| other == owner).map(|(field, _)| field.to_string()).collect();
    let verb = if same.len() == 1 { "belongs" } else { "belong" };
    let others = conflicts.len() - same.len();
    let more = if others == 0 { String::new() } else { format!(", and {others} more to others") };
    let what = if let Some(binding) = binding_of(owner) {
        format!("field manager {owner:?}, of binding {binding} which is delivered here no more")
    } else if owner.is_empty() {
        "somebody whom the Secret's managed fields do not name".to_owned()
    } else {
        format!("field manager {owner:?}")
    };
    let advice = match first {
        Field::Key(_) => "or map the key to another name",
        _ => "or leave it out of spec.target.secret",
    };
    SinkError::Conflict(format!(
        "{} of Secret {location} {verb} to {what}{more}: set spec.target.secret.adopt to true to take it over, {advice}",
        explain::list(&same)
    ))
}
