//! What a server asks for and what the agent answers, in the domain's words. [`crate::link`] converts from and to messages.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use lockstep_core::binding::{CsiSource, Restart, Target};
use lockstep_core::digest::Digest;
use lockstep_core::history::Mark;
use lockstep_core::id::BindingId;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;
use lockstep_core::trace::TraceId;

use crate::sink::secret::Comparison;
use crate::sink::{Place, Targets};

/// Hold this content.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) binding: BindingId,
    /// The binding's name, for people.
    pub(crate) name: String,
    /// When the binding was registered, where the server says it.
    pub(crate) registered: Option<DateTime<Utc>>,
    pub(crate) revision: Revision,
    /// The history's head when this was decided.
    pub(crate) head: Mark,
    pub(crate) target: Target,
    /// By which names pods ask for what they mount.
    pub(crate) sources: Vec<CsiSource>,
    /// Of the namespaces that the target selects by label.
    pub(crate) allowed: AllowedNamespaces,
    /// Only compare: write nothing.
    pub(crate) observe: bool,
    /// What restarts when the content changes.
    pub(crate) restart: Restart,
    /// Whether content at places that the target has no longer is deleted, or kept and only forgotten.
    pub(crate) purge_former: bool,
    pub(crate) content: Arc<Rendered>,
    pub(crate) digest: Digest,
    pub(crate) trace: Option<TraceId>,
}

impl Put {
    /// Where the content goes.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { target: &self.target, allowed: &self.allowed }
    }
}

/// Give this binding up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delete {
    pub(crate) binding: BindingId,
    pub(crate) revision: Revision,
    /// The history's head when this was decided.
    pub(crate) head: Mark,
    /// Whether what was delivered is removed, or kept and only forgotten.
    pub(crate) purge: bool,
}

/// What became of a [`Put`] or [`Delete`].
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) binding: BindingId,
    pub(crate) revision: Revision,
    pub(crate) trace: Option<TraceId>,
    pub(crate) result: Result<Applied, Refusal>,
}

/// It was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The content is there.
    Put {
        /// Of what was found there afterwards.
        digest: Digest,
        /// In how many places.
        targets: Targets,
    },
    /// The content was compared with what is there.
    Observed {
        /// Of the content.
        digest: Digest,
        /// What delivering would change.
        comparison: Comparison,
    },
    /// The binding is given up.
    Delete,
}

/// It was not done. One sentence says what happened and what to do, and holds no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: RefusalKind,
    pub(crate) cause: String,
}

/// Why it was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RefusalKind {
    /// Somebody else has what would be written.
    Conflict,
    /// It could not be applied.
    Failed,
    /// Something newer was applied already.
    Older,
}

impl RefusalKind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Conflict, Self::Failed, Self::Older];

    /// The word in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::Older => "older",
        }
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal {
    /// It could not be applied.
    pub(crate) fn failed(cause: impl fmt::Display) -> Self {
        Self { kind: RefusalKind::Failed, cause: cause.to_string() }
    }
}
