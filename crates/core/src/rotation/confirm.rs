//! What counts as everybody having the new version, and what happens when somebody has not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long clusters are waited for where nothing is said about it.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// When a run may go on past the clusters that use what it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// What a cluster has to say.
    pub when: When,
    /// How long they are waited for.
    pub deadline: Duration,
    /// What then.
    pub on_deadline: OnDeadline,
    /// Whether clusters that are paused are waited for.
    pub paused: Absent,
    /// Whether clusters that are revoked are.
    pub revoked: Absent,
    /// Whether clusters whose agent is not connected are.
    pub offline: Absent,
}

impl Default for Confirm {
    fn default() -> Self {
        Self {
            when: When::Applied,
            deadline: DEFAULT_DEADLINE,
            on_deadline: OnDeadline::Hold,
            paused: Absent::Wait,
            // It was cut off by a person, and no agent of it will ever confirm anything.
            revoked: Absent::Skip,
            offline: Absent::Wait,
        }
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word as written and stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let words = || Self::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ");
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| format!("{text:?} is none of {}", words()))
            }
        }
    )*};
}

words! {
    /// What a cluster has to say.
    When {
        /// That the content is where it belongs.
        Applied,
        /// That also the workloads that restart with it have finished.
        Healthy,
    }

    /// What happens when somebody has not confirmed in time.
    OnDeadline {
        /// The run waits on, and says for whom.
        Hold,
        /// It goes on without them.
        Proceed,
        /// What was before is delivered again.
        RollBack,
    }

    /// What is done about a cluster that cannot confirm at present.
    Absent {
        /// It is waited for.
        Wait,
        /// It does not count.
        Skip,
    }
}
