//! Writing one Secret: one server-side apply in the usual case, and always for just the version that was looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretTarget;
use lockstep_core::digest::Digest;
use lockstep_core::render::Rendered;

use super::Shared;
use super::body::{Applied, Value};
use super::conflict::{self, Plan};
use super::failure::Failure;
use super::field::{Field, MANAGED_LABEL};
use super::location::Location;
use super::mark::{self, Changed, SecretMark};
use super::memory::Seen;
use super::object::SecretObject;
use super::view::{View, manager};
use crate::sink::rank::Rank;
use crate::sink::{Owner, SinkError, Stamp};
use crate::state::keyring::{Digests, Keys};

/// How often a Secret that changes under our hands is looked at before it is left for later.
const TRIES_MAX: usize = 3;
/// The version of what is not there. An apply for a version other than the present one is refused, and to make what is not there
/// any is good; no Secret ever has the first version of all.
pub(super) const NO_VERSION: &str = "1";

/// What is to be written, wherever.
pub(super) struct Job<'a> {
    pub(super) owner: Owner,
    /// When the binding was.
    pub(super) registered: Option<DateTime<Utc>>,
    pub(super) target: &'a SecretTarget,
    pub(super) stamp: &'a Stamp,
    pub(super) content: &'a Rendered,
    pub(super) keys: &'a Keys,
    pub(super) digests: Digests,
}

impl Job<'_> {
    /// The binding's place among others.
    pub(super) fn rank(&self) -> Rank {
        Rank { binding: self.owner.binding, registered: self.registered }
    }

    /// What will be ours, but for the mark and its label, and the values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (Field, &[u8])> {
        let keys = self.content.iter().map(|(key, value)| (Field::Key(key.to_owned()), value.expose()));
        let labels = self.target.labels.iter().map(|(name, value)| (Field::Label(name.clone()), value.as_bytes()));
        let annotations = self.target.annotations.iter().map(|(name, value)| (Field::Annotation(name.clone()), value.as_bytes()));
        keys.chain(labels).chain(annotations)
    }
}

impl Shared {
    /// Writes one Secret, unless a watch vouches that just this is there. Says whether it was written.
    pub(super) async fn apply_at(&self, job: &Job<'_>, location: &Location) -> Result<bool, SinkError> {
        let binding = job.owner.binding;
        if self
            .memory
            .unchanged(location, binding)
            .is_some_and(|seen| seen.mark.stamp() == *job.stamp && seen.digests == job.digests)
        {
            return Ok(false);
        }
        let (version, known) = self.memory.known(location, binding);
        refuse_newer(known.as_deref(), job)?;
        // The API server would let two managers own a field that they agree on.
        let fields = job.fields().map(|(field, _)| field).collect();
        let must_look = self.memory.is_contested(location, binding, &fields)
            || self.memory.is_strange(location, binding)
            || known.as_ref().is_some_and(|mark| !mark.covers(&fields));
        let mut failure = if must_look {
            None
        } else {
            // Where nothing of this binding is known, nothing at all may be there.
            let version = version.filter(|_| known.is_some());
            let changed = self.changed(job, location, known.as_deref(), None);
            match self.write(job, location, version.as_deref(), changed, false).await? {
                Ok(()) => return Ok(true),
                Err(failure) => Some(failure),
            }
        };
        for _ in 0..TRIES_MAX {
            if failure.as_ref().is_some_and(|failure| !failure.is_stale()) {
                break;
            }
            // What is there is not what was known, or somebody else owns some of it.
            let object = self.api.get(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
            conflict::refuse_claimed(job, location, &self.memory.claims(location, binding))?;
            let (version, changed, plan) = match &object {
                None => (None, self.changed(job, location, known.as_deref(), None), Plan::default()),
                Some(object) => {
                    let view = View::of(object, job.owner, location, job.keys);
                    refuse_newer(view.mark.as_deref(), job)?;
                    let plan = conflict::plan(job, location, &view, |binding| self.memory.is_delivered(location, binding))?;
                    let before = view.mark.as_deref().or(known.as_deref());
                    (Some(object.metadata.resource_version.as_str()), self.changed(job, location, before, Some(object)), plan)
                }
            };
            match self.write(job, location, version, changed, plan.force).await? {
                Ok(()) => {
                    self.touched.add(self.memory.took_from(location, &plan.losers));
                    return Ok(true);
                }
                Err(again) => failure = Some(again),
            }
        }
        let failure = failure.unwrap_or(Failure::Strange);
        Err(conflict::unforeseen(&failure, location).unwrap_or_else(|| failure.explain("write", "patch", location)))
    }

    /// Since when the content is another one than before. `before`: the newest mark; `object`: what is there now.
    fn changed(
        &self,
        job: &Job<'_>,
        location: &Location,
        before: Option<&SecretMark>,
        object: Option<&SecretObject>,
    ) -> Option<Changed> {
        let is_same = |digest: &Digest| job.digests.under(&digest.key) == Some(digest);
        let now = Changed { revision: job.stamp.revision, at: self.soon() };
        match before {
            Some(mark) if is_same(&mark.digest) => mark.changed(),
            Some(_) => Some(now),
            None => {
                let Some(object) = object else {
                    // It went while no agent was there: whoever uses it has what the ledger says was in it.
                    let former = self.memory.former(location, job.owner.binding)?;
                    return (!is_same(&former)).then_some(now);
                };
                // Taken over: whoever uses it has the values that are there.
                let other = |(key, value): (&str, &[u8])| object.value(key).is_some_and(|there| there.expose() != value);
                job.content.iter().map(|(key, value)| (key, value.expose())).any(other).then_some(now)
            }
        }
    }

    /// The outer error is final; the inner one may be the first of several tries.
    async fn write(
        &self,
        job: &Job<'_>,
        location: &Location,
        version: Option<&str>,
        changed: Option<Changed>,
        force: bool,
    ) -> Result<Result<(), Failure>, SinkError> {
        let fields: BTreeSet<Field> = job.fields().map(|(field, _)| field).collect();
        let mark = SecretMark::sign(job.owner, job.registered, location, job.stamp, changed, fields, job.keys)?;
        let (annotation, text) = (mark::annotation(job.owner.binding), mark.to_text());
        let mut body = Applied::nothing(location, version.unwrap_or(NO_VERSION));
        body.secret_type = Some(job.target.secret_type.as_str());
        body.immutable = job.target.immutable;
        body.data = job.content.iter().map(|(key, value)| (key, Value(value))).collect();
        for (name, value) in &job.target.labels {
            body.label(name, value);
        }
        for (name, value) in &job.target.annotations {
            body.annotate(name, value);
        }
        body.label(MANAGED_LABEL, "true");
        body.annotate(&annotation, &text);

        self.must_lead()?;
        self.memory.writes(location);
        let written = self.api.apply(location, &manager(job.owner.binding), force, &body).await;
        let (result, told) = match written {
            Ok((_, metadata)) => {
                let mark = Arc::new(mark.written(&metadata, job.owner.binding));
                let seen = Seen { digests: job.digests.clone(), mark };
                (Ok(()), self.memory.wrote(location, job.owner.binding, version, &metadata.resource_version, seen))
            }
            Err(failure) => {
                if !matches!(failure, Failure::Refused(_)) {
                    self.memory.set_uncertain(location, job.owner.binding);
                }
                (Err(failure), self.memory.did_not_write(location))
            }
        };
        self.touched.add(told);
        Ok(result)
    }
}

/// Another replica of this agent has applied something newer.
fn refuse_newer(mark: Option<&SecretMark>, job: &Job<'_>) -> Result<(), SinkError> {
    match mark {
        Some(mark) if mark.revision > job.stamp.revision => {
            Err(SinkError::Newer { there: mark.revision, asked: job.stamp.revision })
        }
        _ => Ok(()),
    }
}
