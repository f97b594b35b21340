//! What became of each write in each cluster.

use std::time::{Duration, Instant};

use crate::reader::Sightings;

/// One write and when Vault answered.
pub(crate) struct Write {
    pub(crate) secret: &'static str,
    pub(crate) value: String,
    pub(crate) answered: Instant,
}

/// The counts; each write counts once for each cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The cluster was found to hold it.
    pub(crate) delivered: usize,
    /// The cluster was found to hold a later version of the secret, and never this one.
    pub(crate) superseded: usize,
    /// Neither.
    pub(crate) lost: usize,
    /// From Vault's answer until the cluster was found to hold it or a later one, sorted.
    pub(crate) latencies: Vec<Duration>,
}

/// Judges. `writes` are in the order in which they were made.
pub(crate) fn summarise(writes: &[Write], clusters: usize, sightings: &Sightings) -> Summary {
    let mut summary = Summary::default();
    for cluster in 0..clusters {
        for (index, write) in writes.iter().enumerate() {
            let seen = |w: &Write| sightings.get(&(cluster, w.value.clone())).copied();
            let later = writes[index + 1..].iter().filter(|w| w.secret == write.secret).filter_map(seen).min();
            let own = seen(write);
            match (own, later) {
                (Some(_), _) => summary.delivered += 1,
                (None, Some(_)) => summary.superseded += 1,
                (None, None) => summary.lost += 1,
            }
            let first = own.into_iter().chain(later).min();
            summary.latencies.extend(first.map(|at| at.saturating_duration_since(write.answered)));
        }
    }
    summary.latencies.sort_unstable();
    summary
}

impl Summary {
    /// The latency that this share (0 to 100) of writes did not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> u128 {
        let index = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(index).map_or(0, Duration::as_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_delivered_superseded_or_lost() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let write = |secret, value: &str, ms| Write { secret, value: value.to_owned(), answered: at(ms) };
        let writes = [write("a", "a1", 0), write("a", "a2", 10), write("b", "b1", 20), write("a", "a3", 30)];
        let sightings = Sightings::from([((0, "a1".to_owned()), at(5)), ((0, "a3".to_owned()), at(70))]);
        let summary = summarise(&writes, 1, &sightings);
        assert_eq!((summary.delivered, summary.superseded, summary.lost), (2, 1, 1));
        assert_eq!(summary.latencies, [5, 40, 60].map(Duration::from_millis));
        assert_eq!((summary.percentile_ms(50), summary.percentile_ms(99)), (40, 60));
    }
}
