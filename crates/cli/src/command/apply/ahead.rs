//! What applying would do, looked at before anything is done.
//!
//! All objects are tried first, so that a question comes before the first of them is written. A dry run is about what is there: what an object
//! does that comes after others of the same run is known only once those are written, so it is looked at again then.

use std::collections::BTreeMap;

use lockstep_api::blast_radius::BlastRadius;
use serde_json::Value;

use super::super::blast_radius;
use super::super::consent::{Consent, Planned as Asked};
use super::planned::Planned;
use super::{TOGETHER, reach};
use crate::kind::Registered;
use crate::manifest::object::Object;
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::write::{Mode, Outcome};
use crate::{progress, terminal};

/// What needs no second request as long as nothing was changed.
pub(super) enum Foreseen {
    Unchanged(Value),
    Refused(Failure),
}

/// What dry runs said.
pub(super) struct Ahead {
    foreseen: BTreeMap<(Registered, String), Foreseen>,
    /// Those that nothing of this run moves: they are as they should be.
    unchanged: Vec<(Registered, String)>,
}

fn key(object: &Object) -> (Registered, String) {
    (object.kind, object.name.clone())
}

impl Ahead {
    /// Tries everything, and asks where it has to. Nothing is asked of the server where nobody would be.
    pub(super) async fn look(client: &Client, objects: &[Object], consent: &mut Consent) -> anyhow::Result<Self> {
        let mut ahead = Self { foreseen: BTreeMap::new(), unchanged: Vec::new() };
        if !consent.may_ask() {
            return Ok(ahead);
        }
        let radii = progress::during("asking what would change", ahead.try_all(client, objects)).await;
        let asked: Vec<Asked<'_>> = radii.iter().map(|(object, radius)| planned(object, radius)).collect();
        if terminal::is_watched() {
            let lines = radii.iter().filter_map(|(object, radius)| reach(object, Outcome::Configured, Some(radius)));
            lines.for_each(|line| terminal::note(&line));
            if radii.len() > 1 {
                terminal::note(TOGETHER);
            }
        }
        consent.require(&asked, "nothing was changed")?;
        Ok(ahead)
    }

    async fn try_all<'a>(&mut self, client: &Client, objects: &'a [Object]) -> Vec<(&'a Object, BlastRadius)> {
        let mut radii = Vec::new();
        let mut would_be = Planned::default();
        for object in objects {
            match client.put(object.kind, &object.name, &object.manifest, Mode::DryRun).await {
                Ok((Outcome::Unchanged, answer)) => {
                    self.unchanged.push(key(object));
                    self.foreseen.insert(key(object), Foreseen::Unchanged(without_radius(answer)));
                }
                Ok((outcome, answer)) => {
                    would_be.note(object, outcome);
                    // An older server says nothing of it, and did what it was told.
                    radii.extend(blast_radius::of(&answer).map(|radius| (object, radius)));
                }
                Err(failure) if would_be.explains(object, &failure) => would_be.note(object, Outcome::Created),
                Err(failure) => {
                    let hopeless = failure.is_about_connection();
                    self.foreseen.insert(key(object), Foreseen::Refused(failure));
                    if hopeless {
                        break;
                    }
                }
            }
        }
        radii
    }

    /// What is known of this one. Where something was changed since, a refusal may be none any more.
    pub(super) fn of(&mut self, object: &Object, something_changed: bool) -> Option<Foreseen> {
        self.foreseen.remove(&key(object)).filter(|_| !something_changed)
    }

    /// Looks at one that comes after others which were changed, and asks again if it reaches far.
    pub(super) async fn look_again(
        &self,
        client: &Client,
        object: &Object,
        consent: &mut Consent,
        changed: usize,
    ) -> anyhow::Result<()> {
        if changed == 0 || !consent.may_ask() || self.unchanged.contains(&key(object)) {
            return Ok(());
        }
        // What is refused is told when it is done.
        let Ok((_, answer)) = client.put(object.kind, &object.name, &object.manifest, Mode::DryRun).await else { return Ok(()) };
        let Some(radius) = blast_radius::of(&answer) else { return Ok(()) };
        let done = match changed {
            1 => "1 object was applied before it and stays".to_owned(),
            n => format!("{n} objects were applied before it and stay"),
        };
        consent.require(&[planned(object, &radius)], &done)
    }
}

fn planned<'a>(object: &Object, radius: &'a BlastRadius) -> Asked<'a> {
    Asked { subject: object.to_string(), radius, is_named: false }
}

/// As it is answered to a write that is kept.
fn without_radius(mut answer: Value) -> Value {
    if let Some(status) = answer.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("blastRadius");
        // Of one whose status this caller may not see.
        if status.is_empty()
            && let Some(fields) = answer.as_object_mut()
        {
            fields.remove("status");
        }
    }
    answer
}
