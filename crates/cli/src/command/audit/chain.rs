//! The hash chain, recomputed here: what the server says of it counts for nothing.

use lockstep_api::change::{HistoryHead, HistoryRecord};
use lockstep_core::history::{ChangeBody, ChangeHash, chain};
use lockstep_core::revision::{Epoch, Seq};
use thiserror::Error;

/// How far the chain was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    /// The last change that follows from all before it.
    pub(super) at: u64,
    /// Its hash, as it was computed here.
    pub(super) hash: ChangeHash,
}

/// Where it does not go on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Broken {
    #[error("change {0} is missing: the one after {before} has the number {1}", before = .0 - 1)]
    Missing(u64, u64),
    #[error(
        "change {seq} ({what}) does not follow from the one before it: its content, its hash, or those of change {before} are not what was written",
        before = .seq - 1
    )]
    Altered { seq: u64, what: String },
    #[error("change {0} is missing: the history ends with {before}, and the registry remembers {1} changes", before = .0 - 1)]
    Cut(u64, u64),
    #[error(
        "the registry has {1} changes, fewer than the {0} that were known: it was restored from an older state, or is another registry"
    )]
    Shorter(u64, u64),
    #[error(
        "change {0} ends the chain in another hash than the registry remembers: the history was made anew from some change on"
    )]
    OtherEnd(u64),
}

impl Broken {
    /// The first change that is not what was written, or is not there.
    pub(super) fn seq(&self) -> u64 {
        match self {
            Self::Missing(seq, _) | Self::Altered { seq, .. } | Self::Cut(seq, _) | Self::OtherEnd(seq) => *seq,
            Self::Shorter(_, seqs) => seqs + 1,
        }
    }
}

impl Chain {
    /// Before the first change.
    pub(super) const ORIGIN: Self = Self { at: 0, hash: ChangeHash::ORIGIN };

    /// Follows it by one change.
    pub(super) fn follow(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        if record.seq != self.at + 1 {
            return Err(Broken::Missing(self.at + 1, record.seq));
        }
        let body = ChangeBody {
            epoch: Epoch::new(record.epoch),
            seq: Seq::new(record.seq),
            at: record.at,
            actor: &record.actor,
            kind: &record.kind,
            subject: &record.subject,
            detail: &record.detail,
        };
        let hash = chain(&self.hash, &body);
        if hash.to_string() != record.hash {
            let what = format!("{} of {} by {} at {}", record.kind, record.subject, record.actor, record.at.format("%F %T UTC"));
            return Err(Broken::Altered { seq: record.seq, what });
        }
        *self = Self { at: record.seq, hash };
        Ok(())
    }

    /// That it ends where the registry says.
    pub(super) fn end(&self, head: &HistoryHead) -> Result<(), Broken> {
        match self.at.cmp(&head.seq) {
            std::cmp::Ordering::Greater => Err(Broken::Shorter(self.at, head.seq)),
            std::cmp::Ordering::Less => Err(Broken::Cut(self.at + 1, head.seq)),
            std::cmp::Ordering::Equal if self.hash.to_string() != head.hash => Err(Broken::OtherEnd(self.at)),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    /// Three changes as a server would answer them.
    fn history() -> Vec<HistoryRecord> {
        let mut previous = ChangeHash::ORIGIN;
        (1..=3)
            .map(|seq| {
                let (actor, kind, subject, detail) = ("token:a", "BindingWritten", "binding/b", "{\"a\": 1}");
                let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
                let body = ChangeBody { epoch: Epoch::new(1), seq: Seq::new(seq), at, actor, kind, subject, detail };
                previous = chain(&previous, &body);
                let owned = ToOwned::to_owned;
                HistoryRecord {
                    seq,
                    epoch: 1,
                    at,
                    actor: owned(actor),
                    kind: owned(kind),
                    subject: owned(subject),
                    detail: owned(detail),
                    hash: previous.to_string(),
                }
            })
            .collect()
    }

    fn walk(records: &[HistoryRecord], head: &HistoryHead) -> Result<Chain, Broken> {
        let mut chain = Chain::ORIGIN;
        records.iter().try_for_each(|record| chain.follow(record))?;
        chain.end(head).map(|()| chain)
    }

    fn head(records: &[HistoryRecord]) -> HistoryHead {
        HistoryHead { epoch: 1, seq: 3, hash: records[2].hash.clone() }
    }

    #[test]
    fn a_history_as_it_was_written_is_followed_to_its_end() {
        let records = history();
        assert_eq!(walk(&records, &head(&records)).unwrap().hash.to_string(), records[2].hash);
        let mut known = Chain { at: 2, hash: records[1].hash.parse().unwrap() };
        assert_eq!(known.follow(&records[2]), Ok(()));
        let mut other = Chain { at: 2, hash: records[0].hash.parse().unwrap() };
        assert_eq!(other.follow(&records[2]).unwrap_err().seq(), 3, "what was known is of another history");
    }

    #[test]
    fn each_field_that_somebody_changes_is_found_at_its_change() {
        let alter: [fn(&mut HistoryRecord); 6] = [
            |r| r.actor = "token:b".to_owned(),
            |r| r.kind = "BindingDeleted".to_owned(),
            |r| r.subject = "binding/c".to_owned(),
            |r| r.detail = "{\"a\":1}".to_owned(),
            |r| r.at += chrono::TimeDelta::microseconds(1),
            |r| r.epoch = 2,
        ];
        for alter in alter {
            let mut records = history();
            alter(&mut records[1]);
            assert_eq!(walk(&records, &head(&records)).unwrap_err().seq(), 2);
        }
    }

    #[test]
    fn what_is_missing_or_made_anew_is_found() {
        let records = history();
        assert_eq!(walk(&[records[0].clone(), records[2].clone()], &head(&records)), Err(Broken::Missing(2, 3)));
        assert_eq!(walk(&records[..2], &head(&records)), Err(Broken::Cut(3, 3)));
        let elsewhere = HistoryHead { hash: records[0].hash.clone(), ..head(&records) };
        assert_eq!(walk(&records, &elsewhere), Err(Broken::OtherEnd(3)));
        let shorter = HistoryHead { seq: 2, ..head(&records) };
        assert_eq!(Chain { at: 3, hash: ChangeHash::ORIGIN }.end(&shorter), Err(Broken::Shorter(3, 2)));
        let message = Broken::Missing(2, 3).to_string();
        assert_eq!(message, "change 2 is missing: the one after 1 has the number 3");
    }
}
