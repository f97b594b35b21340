//! Of what pods mount.

use lockstep_telemetry::catalogue::Catalogue;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::declared;

/// Of the listener for node agents.
#[derive(Clone)]
pub(crate) struct VolumesMetrics {
    reads: IntCounterVec,
    /// How long each took.
    pub(crate) seconds: Histogram,
    reviews: IntCounterVec,
    /// Objects that were given.
    pub(crate) objects: IntCounter,
    /// Reads that were given something that may not be the newest.
    pub(crate) stale_reads: IntCounter,
    /// When the certificate that node agents see ends.
    pub(crate) certificate_expiry: IntGauge,
    /// Bindings with content here.
    pub(crate) bindings: IntGauge,
    /// Trouble with the cache.
    pub(crate) cache_failures: IntCounter,
}

/// What became of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// Everything that was asked for.
    Given,
    /// Not for this pod, or not asked by who may.
    Denied,
    /// A token is missing, or is not good.
    Unauthenticated,
    /// Asked for wrongly: a key that there is not, two that differ.
    Invalid,
    /// This replica does not have it.
    NotAtHand,
    /// Too many at once.
    Busy,
    /// The API server could not be asked, or the node agent went away.
    Failed,
}

impl ReadOutcome {
    const ALL: [Self; 7] =
        [Self::Given, Self::Denied, Self::Unauthenticated, Self::Invalid, Self::NotAtHand, Self::Busy, Self::Failed];

    /// In metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
            Self::Invalid => "invalid",
            Self::NotAtHand => "not_at_hand",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

/// What became of the question whose a token is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReviewOutcome {
    /// It is somebody's, and for us.
    Good,
    /// It is not.
    Bad,
    /// It was known from a moment ago, and nobody was asked.
    Kept,
    /// The API server did not say.
    Failed,
}

impl ReviewOutcome {
    const ALL: [Self; 4] = [Self::Good, Self::Bad, Self::Kept, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Kept => "kept",
            Self::Failed => "failed",
        }
    }
}

impl VolumesMetrics {
    /// Makes and registers them, each outcome at 0.
    pub(super) fn register_in(catalogue: &mut Catalogue<'_>) -> prometheus::Result<Self> {
        let metrics = Self {
            reads: catalogue.add(declared::VOLUME_READS)?,
            seconds: catalogue.add(declared::VOLUME_READ_SECONDS)?,
            reviews: catalogue.add(declared::TOKEN_REVIEWS)?,
            objects: catalogue.add(declared::VOLUME_OBJECTS)?,
            stale_reads: catalogue.add(declared::VOLUME_STALE_READS)?,
            certificate_expiry: catalogue.add(declared::VOLUME_CERTIFICATE_EXPIRY)?,
            bindings: catalogue.add(declared::VOLUME_BINDINGS)?,
            cache_failures: catalogue.add(declared::VOLUME_CACHE_FAILURES)?,
        };
        for outcome in ReadOutcome::ALL {
            metrics.reads.with_label_values(&[outcome.as_str()]);
        }
        for outcome in ReviewOutcome::ALL {
            metrics.reviews.with_label_values(&[outcome.as_str()]);
        }
        Ok(metrics)
    }

    /// Counts a read.
    pub(crate) fn count_read(&self, outcome: ReadOutcome) {
        self.reads.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Counts a question to the API server whose a token is, or one that was spared.
    pub(crate) fn count_review(&self, outcome: ReviewOutcome) {
        self.reviews.with_label_values(&[outcome.as_str()]).inc();
    }
}
