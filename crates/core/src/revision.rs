//! Seq, epoch and revision: the one order in which everything happened.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// From the registry's or the protocol's number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

counter! {
    /// The number of a change. Taken under the registry row's lock, so the order of seqs is the order of commits. 0: never.
    Seq;
    /// Grows when the registry's history was cut.
    Epoch;
}

/// The change that a delivery's content comes from. It only grows; the epoch weighs more than the seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// The epoch the registry was in.
    pub epoch: Epoch,
    /// The greatest seq among placement, binding spec and chosen versions.
    pub seq: Seq,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}
