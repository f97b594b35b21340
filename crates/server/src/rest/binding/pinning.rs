//! What rolling back and unpinning have in common: they move pins, which belong to the binding's spec (ADR 0005).

use std::collections::BTreeMap;

use lockstep_api::binding::CheckedBinding;
use lockstep_core::access::{Action, Place};
use lockstep_core::binding::Drawn;
use lockstep_core::version::VersionNumber;
use lockstep_store::binding::{self, BindingRecord};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::{Registered, Written};
use lockstep_store::{PgConnection, StoreError};
use serde_json::{Value, json};

use super::Bindings;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::Mode;
use crate::rest::resource::answer::{Answer, Outcome};
use crate::rest::resource::{Resource as _, called, manifest, subject};

/// Where a pin goes from and to; `None` follows the newest version.
type Moved = (Option<VersionNumber>, Option<VersionNumber>);

/// The binding of that name, if the caller may write it.
pub(super) async fn writable(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &str,
) -> Result<Registered<BindingRecord>, ApiError> {
    let present = binding::get(connection, name).await?;
    if !Bindings::may_see(&caller.permissions, &present) {
        return Err(StoreError::NotFound { kind: Bindings::SINGULAR, name: name.to_owned() }.into());
    }
    caller.require(Action::Operate, Place::Project(&present.spec.project))?;
    Ok(present)
}

/// Whether a caller's `mount/path` or `source/mount/path` means this secret.
pub(super) fn is_meant(drawn: &Drawn, said: &str) -> bool {
    said == drawn.to_string() || said == format!("{}/{}", drawn.mount(), drawn.path())
}

/// A secret that the binding does not deliver.
pub(super) fn no_such_item(present: &Registered<BindingRecord>, said: &str) -> ApiError {
    let items = present.spec.binding.spec.delivered.items.iter();
    let items: Vec<_> = items.map(|item| item.secret.to_string()).collect();
    ApiError::invalid_field("item", format!("the binding delivers no {said:?}: it delivers {}", items.join(", ")))
}

/// Moves pins of the binding as it is now; one that was written since `seen` is not as the caller's request took it to be.
pub(super) async fn move_pins(
    app: &App,
    caller: Caller,
    conditions: &Preconditions,
    mode: Mode,
    seen: &Registered<BindingRecord>,
    kind: &'static str,
    pins: &BTreeMap<Drawn, Option<VersionNumber>>,
) -> Result<Answer<Bindings>, ApiError> {
    let mut writing = Writing::begin(&app.pool).await?;
    let present = writable(writing.connection(), &caller, &seen.name).await?;
    conditions.check(&called::<Bindings>(&seen.name), None, Some(present.seq))?;
    if present.seq != seen.seq {
        let detail = format!("{} was written by somebody else in between: try again", called::<Bindings>(&seen.name));
        return Err(ApiError::new(Code::Conflict, detail));
    }
    let mut spec = present.spec.binding.spec.clone();
    let mut moved = BTreeMap::<String, Moved>::new();
    for item in &mut spec.delivered.items {
        if let Some(to) = pins.get(&item.secret).filter(|to| **to != item.pin) {
            moved.insert(item.secret.to_string(), (item.pin, *to));
            item.pin = *to;
        }
    }
    let mut placements_changed = 0;
    if !moved.is_empty() {
        let checked = CheckedBinding { project: present.spec.project.clone(), spec };
        let written =
            Written { name: present.name.clone(), labels: present.labels.clone(), annotations: present.annotations.clone() };
        placements_changed = Bindings::put(&mut writing, Some(&present), &written, &checked).await?;
    }
    let mut manifest = manifest::of_name::<Bindings>(writing.connection(), &caller.permissions, &seen.name).await?;
    let outcome = if moved.is_empty() { Outcome::Unchanged } else { Outcome::Configured };
    if outcome == Outcome::Configured && mode == Mode::Keep {
        let detail = json!({
            "project": present.spec.project, "pins": recorded(&moved), "placementsChanged": placements_changed,
        });
        writing.commit(&Entry { actor: caller.actor, kind, subject: subject::<Bindings>(&seen.name), detail }).await?;
    } else {
        writing.abandon().await?;
        manifest.metadata.resource_version = Some(present.seq.to_string());
    }
    Ok(Answer { outcome, placements_changed, manifest, tried: None })
}

fn recorded(moved: &BTreeMap<String, Moved>) -> Vec<Value> {
    let number = |pin: &Option<VersionNumber>| pin.map(VersionNumber::get);
    moved.iter().map(|(secret, (from, to))| json!({"secret": secret, "from": number(from), "to": number(to)})).collect()
}
