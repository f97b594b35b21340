//! The mark on a Secret: an annotation for each binding that has content there.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::revision::Revision;
use serde::{Deserialize, Serialize};

use super::field::{Field, MARK_PREFIX};
use super::location::Location;
use super::object::ObjectMeta;
use super::view::manager;
use crate::sink::mark::{Seal, Vouched, extend_with_text};
use crate::sink::rank::Rank;
use crate::sink::{Owner, SinkError, Stamp};
use crate::state::keyring::Keys;

/// See [`Vouched::context`].
const MARK_CONTEXT: &str = "lockstep secret mark v1";
/// See [`SecretMark::format`].
const FORMAT: u8 = 1;
/// Stands where a text's length would, before what marks of format 0 do not say.
const NO_TEXT: u64 = u64::MAX;
/// The longest mark that is read. The API server takes 256 KiB of annotations.
const MARK_MAX_BYTES: usize = 256 << 10;
/// How much later than it was begun a write may be said to have been made, the clocks' difference included.
const WRITE_MAX: TimeDelta = TimeDelta::minutes(1);

/// When content last replaced other content. Restarts are decided from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// The delivery that did it.
    pub(crate) revision: Revision,
    /// When, in whole seconds: a pod that started later has it.
    pub(crate) at: DateTime<Utc>,
}

/// The mark, as stored. The binding is in the annotation's name, the place is where it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecretMark {
    /// 0 is an agent's that also wrote, and named here, what another tool had already with the same value.
    #[serde(default)]
    format: u8,
    registry: RegistryId,
    pub(super) revision: Revision,
    pub(super) digest: Digest,
    /// `None`: the first content, or the same as was there.
    changed: Option<Changed>,
    /// When the binding was registered, where the server said it.
    #[serde(default)]
    registered: Option<DateTime<Utc>>,
    /// What was written. A manager that takes one of these over took it from us.
    pub(super) fields: Box<[Field]>,
    #[serde(with = "hex::serde")]
    hmac: Seal,
    /// When, by the API server's clock, in whole seconds: told with the Secret, and no part of the mark.
    #[serde(skip)]
    written: Option<DateTime<Utc>>,
}

impl SecretMark {
    /// A mark for what is about to be written.
    pub(super) fn sign(
        owner: Owner,
        registered: Option<DateTime<Utc>>,
        location: &Location,
        stamp: &Stamp,
        changed: Option<Changed>,
        fields: BTreeSet<Field>,
        keys: &Keys,
    ) -> Result<Self, SinkError> {
        let Stamp { revision, digest } = stamp.clone();
        let fields = fields.into_iter().collect();
        let (format, registry, hmac) = (FORMAT, owner.registry, Seal::default());
        let mark = Self { format, registry, revision, digest, changed, registered, fields, hmac, written: None };
        let hmac = mark.vouched(owner.binding, &location.to_string(), stamp, &mark.rest()).seal(keys)?;
        Ok(Self { hmac, ..mark })
    }

    /// The same, with what the API server says of its writing.
    pub(super) fn written(self, metadata: &ObjectMeta, binding: BindingId) -> Self {
        Self { written: metadata.written_by(&manager(binding)), ..self }
    }

    /// When content last replaced other content. The time in the mark is this agent's, before the write: a slow write came later, and
    /// a clock may be behind. So the API server's counts where it is later, unless it is so much later that it must be that of a
    /// repair, which replaced nothing.
    pub(super) fn changed(&self) -> Option<Changed> {
        let changed = self.changed?;
        let written = self.written.filter(|_| self.revision == changed.revision).map(|written| written + TimeDelta::seconds(1));
        let written = written.filter(|written| (changed.at..=changed.at + WRITE_MAX).contains(written));
        Some(Changed { at: written.unwrap_or(changed.at), ..changed })
    }

    /// The annotation's value.
    pub(super) fn to_text(&self) -> String {
        // Nothing of it can fail to be written: all its maps have texts for keys.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What it stands for.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { revision: self.revision, digest: self.digest.clone() }
    }

    /// Its binding's place among others.
    pub(super) fn rank(&self, binding: BindingId) -> Rank {
        Rank { binding, registered: self.registered }
    }

    /// Whether all that it names was this binding's to write: nobody's before, or taken over as `adopt` asked.
    pub(super) fn names_only_ours(&self) -> bool {
        self.format >= 1
    }

    /// Whether all of these are known to be this binding's. Of others a look must tell: who applied `stringData` has keys that no field
    /// manager guards.
    pub(super) fn covers(&self, fields: &BTreeSet<Field>) -> bool {
        self.names_only_ours() && fields.iter().all(|field| self.fields.contains(field))
    }

    fn is_valid(&self, owner: Owner, location: &Location, keys: &Keys) -> bool {
        let (place, stamp, rest) = (location.to_string(), self.stamp(), self.rest());
        self.registry == owner.registry && self.vouched(owner.binding, &place, &stamp, &rest).is_sealed(&self.hmac, keys)
    }

    fn vouched<'a>(&self, binding: BindingId, place: &'a str, stamp: &'a Stamp, rest: &'a [u8]) -> Vouched<'a> {
        Vouched { context: MARK_CONTEXT, owner: Owner { registry: self.registry, binding }, place, stamp, rest }
    }

    fn rest(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.changed {
            None => rest.push(0),
            Some(Changed { revision, at }) => {
                rest.push(1);
                rest.extend_from_slice(&revision.epoch.get().to_be_bytes());
                rest.extend_from_slice(&revision.seq.get().to_be_bytes());
                rest.extend_from_slice(&at.timestamp().to_be_bytes());
            }
        }
        for field in &self.fields {
            extend_with_text(&mut rest, &String::from(field.clone()));
        }
        if self.format > 0 {
            rest.extend_from_slice(&NO_TEXT.to_be_bytes());
            rest.push(self.format);
            let us = self.registered.map(|at| at.timestamp_micros().to_be_bytes());
            rest.extend(us.iter().flatten());
        }
        rest
    }
}

/// The annotation's name.
pub(super) fn annotation(binding: BindingId) -> String {
    format!("{MARK_PREFIX}{binding}")
}

/// The valid marks of `owner`'s registry among these annotations of the Secret at `location`.
pub(super) fn valid_marks(
    annotations: &BTreeMap<String, String>,
    location: &Location,
    registry: RegistryId,
    keys: &Keys,
) -> BTreeMap<BindingId, SecretMark> {
    let marks = annotations.iter().filter_map(|(name, text)| {
        let binding = name.strip_prefix(MARK_PREFIX)?.parse().ok()?;
        let mark: SecretMark = serde_json::from_str(Some(text).filter(|text| text.len() <= MARK_MAX_BYTES)?).ok()?;
        mark.is_valid(Owner { registry, binding }, location, keys).then_some((binding, mark))
    });
    marks.collect()
}
