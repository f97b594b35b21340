//! The hash chain over all changes, and how a cut in it is found.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::revision::{Epoch, Seq};

/// SHA-256 over a change and the hash of the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChangeHash([u8; 32]);

impl ChangeHash {
    /// What the first change's hash is made over.
    pub const ORIGIN: Self = Self([0; 32]);

    /// From stored bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChangeHash {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes))
    }
}

impl TryFrom<String> for ChangeHash {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        text.parse()
    }
}

impl From<ChangeHash> for String {
    fn from(hash: ChangeHash) -> Self {
        hash.to_string()
    }
}

/// What a change's hash is made over.
#[derive(Debug, Clone, Copy)]
pub struct ChangeBody<'a> {
    /// Its revision.
    pub epoch: Epoch,
    /// Its number.
    pub seq: Seq,
    /// Postgres' time of the transaction, in whole microseconds.
    pub at: DateTime<Utc>,
    /// Who did it, such as `token:bootstrap` or `watch:corp`.
    pub actor: &'a str,
    /// What was done, such as `BindingWritten`.
    pub kind: &'a str,
    /// To what, such as `binding/checkout-db`.
    pub subject: &'a str,
    /// The exact JSON text of the detail.
    pub detail: &'a str,
}

/// The hash of a change that follows the one hashed `previous`. Lengths are part of it, so fields cannot run together.
pub fn chain(previous: &ChangeHash, body: &ChangeBody<'_>) -> ChangeHash {
    let mut context = Context::new(&SHA256);
    context.update(b"lockstep change v1");
    context.update(&previous.0);
    context.update(&body.epoch.get().to_be_bytes());
    context.update(&body.seq.get().to_be_bytes());
    context.update(&body.at.timestamp_micros().to_be_bytes());
    for text in [body.actor, body.kind, body.subject, body.detail] {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    ChangeHash(hash)
}

/// A point of the history as somebody outside the registry remembers it: an agent's floor, or the mark in the home Vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The epoch.
    pub epoch: Epoch,
    /// The newest seq remembered; 0: none.
    pub seq: Seq,
    /// That change's hash.
    pub hash: ChangeHash,
}

impl Mark {
    /// Before every change: known to every history.
    pub const ORIGIN: Self = Self { epoch: Epoch::new(0), seq: Seq::new(0), hash: ChangeHash::ORIGIN };
}

/// How a remembered point stands to the registry's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Part of it, or settled by a later epoch.
    Known,
    /// The registry lost changes that were seen outside it: it was restored from an older state.
    Cut,
}

/// Compares. `ours` is the hash of the registry's own change number `mark.seq`, if it has one.
pub fn standing(mark: &Mark, head_epoch: Epoch, ours: Option<ChangeHash>) -> Standing {
    // An epoch opened since then settled whatever was lost before it.
    if mark.seq == Seq::default() || mark.epoch < head_epoch {
        return Standing::Known;
    }
    if mark.epoch == head_epoch && ours == Some(mark.hash) { Standing::Known } else { Standing::Cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(seq: u64, detail: &str) -> ChangeBody<'_> {
        ChangeBody {
            epoch: Epoch::new(1),
            seq: Seq::new(seq),
            at: DateTime::UNIX_EPOCH,
            actor: "a",
            kind: "k",
            subject: "s",
            detail,
        }
    }

    #[test]
    fn every_field_and_the_predecessor_are_part_of_the_hash() {
        let base = chain(&ChangeHash::ORIGIN, &body(1, "{}"));
        let others = [
            chain(&base, &body(1, "{}")),
            chain(&ChangeHash::ORIGIN, &body(2, "{}")),
            chain(&ChangeHash::ORIGIN, &body(1, "{ }")),
            chain(&ChangeHash::ORIGIN, &ChangeBody { actor: "ak", kind: "", ..body(1, "{}") }),
            chain(&ChangeHash::ORIGIN, &ChangeBody { epoch: Epoch::new(2), ..body(1, "{}") }),
        ];
        assert!(others.iter().all(|h| *h != base));
        assert_eq!(base.to_string().parse::<ChangeHash>().unwrap(), base);
    }

    #[test]
    fn a_point_that_the_registry_does_not_have_means_that_it_was_cut() {
        let hash = |b| ChangeHash::new([b; 32]);
        let mark = |epoch, seq, b| Mark { epoch: Epoch::new(epoch), seq: Seq::new(seq), hash: hash(b) };
        for (case, mark, ours, want) in [
            ("new agent", mark(0, 0, 0), None, Standing::Known),
            ("known", mark(2, 9, 1), Some(hash(1)), Standing::Known),
            ("other history under the same number", mark(2, 9, 1), Some(hash(2)), Standing::Cut),
            ("newer than the registry", mark(2, 9, 1), None, Standing::Cut),
            ("from an epoch that was lost", mark(3, 9, 1), Some(hash(1)), Standing::Cut),
            ("settled by a later epoch", mark(1, 99, 1), None, Standing::Known),
        ] {
            assert_eq!(standing(&mark, Epoch::new(2), ours), want, "{case}");
        }
    }
}
