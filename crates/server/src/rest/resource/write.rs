//! One way for every write.

use lockstep_api::blast_radius::BlastRadius;
use lockstep_core::access::Action;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::Registered;
use lockstep_store::{blast_radius, pool};
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::difference::differences;
use super::request::Request;
use super::{Resource, called, find, manifest, subject};
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::Mode;

/// A spec that is recorded whole in the history; of a larger one only which fields changed.
const RECORDED_SPEC_MAX_BYTES: usize = 16 << 10;

/// What to do with one that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Refuse.
    Create,
    /// Replace it.
    CreateOrReplace,
}

/// Writes what is asked for, if it differs from what is there.
pub(super) async fn write<K: Resource>(
    app: &App,
    caller: &Caller,
    request: &Request<K>,
    conditions: &Preconditions,
    way: Way,
    mode: Mode,
) -> Result<Answer<K>, ApiError> {
    let name = &request.written.name;
    if K::PROBES && !is_unchanged::<K>(app, request).await? {
        K::probe(app, &caller.permissions, &request.checked).await?;
    }
    let mut writing = Writing::begin(&app.pool).await?;
    let present = find::<K>(writing.connection(), name).await?;
    if present.as_ref().is_some_and(|present| !K::may_see(&caller.permissions, present)) {
        let detail = format!("{} is another's: choose another name", called::<K>(name));
        return Err(ApiError::new(Code::Forbidden, detail));
    }
    K::may_put(writing.connection(), &caller.permissions, present.as_ref(), &request.written, &request.checked).await?;
    if present.is_some() && way == Way::Create {
        let detail = format!("{} exists already: to replace it, PUT it", called::<K>(name));
        return Err(ApiError::new(Code::AlreadyExists, detail));
    }
    conditions.check(&called::<K>(name), request.resource_version.as_deref(), present.as_ref().map(|p| p.seq))?;
    if let Some(present) = &present {
        K::writable(present)?;
    }

    if present.as_ref().is_some_and(|present| request.is(present)) {
        let manifest = manifest::of_name::<K>(writing.connection(), &caller.permissions, name).await?;
        writing.abandon().await?;
        let tried = (mode == Mode::DryRun).then(BlastRadius::default);
        return Ok(Answer { outcome: Outcome::Unchanged, placements_changed: 0, manifest, tried });
    }

    let placements_changed = K::put(&mut writing, present.as_ref(), &request.written, &request.checked).await?;
    let outcome = if present.is_some() { Outcome::Configured } else { Outcome::Created };
    let mut manifest = manifest::of_name::<K>(writing.connection(), &caller.permissions, name).await?;
    let tried = match mode {
        Mode::Keep => {
            let detail = detail(request, present.as_ref(), outcome, placements_changed);
            let entry = Entry { actor: caller.actor.clone(), kind: K::WRITTEN, subject: subject::<K>(name), detail };
            writing.commit(&entry).await?;
            None
        }
        Mode::DryRun => {
            let before = present.as_ref().and_then(K::delivers);
            let radius = blast_radius::of_change(&mut writing, before, &caller.permissions.reach(Action::Read)).await?;
            writing.abandon().await?;
            // These were never given out, and the next write will have other ones.
            manifest.metadata.resource_version = present.as_ref().map(|p| p.seq.to_string());
            if present.is_none() {
                manifest.metadata.uid = None;
                manifest.metadata.creation_timestamp = None;
            }
            Some((&radius).into())
        }
    };
    Ok(Answer { outcome, placements_changed, manifest, tried })
}

/// Whether it is there already as it is asked for: then nothing outside needs to be asked, which may be away just now.
async fn is_unchanged<K: Resource>(app: &App, request: &Request<K>) -> Result<bool, ApiError> {
    let mut connection = pool::acquire(&app.pool).await?;
    let present = find::<K>(&mut connection, &request.written.name).await?;
    Ok(present.is_some_and(|present| K::checked(&present.spec) == request.checked))
}

/// What the history keeps. Annotations may hold anything: only which of them changed.
fn detail<K: Resource>(
    request: &Request<K>,
    present: Option<&Registered<K::Record>>,
    outcome: Outcome,
    placements_changed: usize,
) -> Value {
    let spec = json!(K::wire(&request.checked));
    let written = &request.written;
    let after = json!({"labels": written.labels, "annotations": written.annotations});
    let mut detail = json!({"result": outcome.as_str(), "placementsChanged": placements_changed, "labels": written.labels});
    if let Some(project) = K::project(&request.checked) {
        detail["project"] = json!(project);
    }
    if let Some(present) = present {
        let before = json!({"labels": present.labels, "annotations": present.annotations});
        let mut changed = differences("metadata", &before, &after);
        changed.extend(differences("spec", &json!(K::wire(&K::checked(&present.spec))), &spec));
        detail["changed"] = json!(changed);
    }
    let bytes = spec.to_string().len();
    if bytes <= RECORDED_SPEC_MAX_BYTES {
        detail["spec"] = spec;
    } else {
        detail["specOmittedBytes"] = json!(bytes);
    }
    detail
}
