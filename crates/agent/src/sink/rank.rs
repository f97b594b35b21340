//! Of two bindings that want the same place the older has it, in every cluster, whoever came there first.

use chrono::{DateTime, Utc};
use lockstep_core::id::BindingId;

/// A binding's place in the order of bindings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rank {
    pub(crate) binding: BindingId,
    /// When it was registered; `None` where a server or an older agent's mark does not say it.
    pub(crate) registered: Option<DateTime<Utc>>,
}

impl Rank {
    /// Whether it is the older one. Where one of the two has no date, neither is: then who came first keeps what it has.
    pub(crate) fn is_before(self, other: Self) -> bool {
        match (self.registered, other.registered) {
            (Some(one), Some(two)) => (one, self.binding) < (two, other.binding),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn of_two_bindings_at_most_one_is_the_older_and_without_dates_none() {
        let rank = |binding: u128, us: Option<i64>| Rank {
            binding: Uuid::from_u128(binding).into(),
            registered: us.and_then(DateTime::from_timestamp_micros),
        };
        for (one, other, first) in [
            (rank(2, Some(1)), rank(1, Some(2)), true),
            (rank(1, Some(1)), rank(2, Some(1)), true),
            (rank(1, None), rank(2, Some(1)), false),
            (rank(1, Some(1)), rank(2, None), false),
            (rank(1, None), rank(2, None), false),
        ] {
            assert_eq!((one.is_before(other), other.is_before(one)), (first, false), "{one:?} {other:?}");
        }
    }
}
