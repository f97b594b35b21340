//! Why a node agent is given nothing. Each sentence is shown in the pod's events, and says what to do; none holds a token or a value.

use thiserror::Error;
use tonic::{Code, Status};

use crate::metrics::ReadOutcome;
use crate::sink::csi::NotGiven;

/// Why nothing is given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// A token is missing, or is not good.
    #[error("{0}")]
    Unauthenticated(String),
    /// It is not for this pod, or this is not who may ask.
    #[error("{0}")]
    Denied(String),
    /// Asked for wrongly.
    #[error("{0}")]
    Invalid(String),
    /// Not here, and may be soon.
    #[error("{0}")]
    NotAtHand(String),
    /// Too many at once.
    #[error("{0}")]
    Busy(String),
    /// Something that is needed does not work.
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// As it is counted and logged.
    pub(super) fn outcome(&self) -> ReadOutcome {
        match self {
            Self::Unauthenticated(_) => ReadOutcome::Unauthenticated,
            Self::Denied(_) => ReadOutcome::Denied,
            Self::Invalid(_) => ReadOutcome::Invalid,
            Self::NotAtHand(_) => ReadOutcome::NotAtHand,
            Self::Busy(_) => ReadOutcome::Busy,
            Self::Failed(_) => ReadOutcome::Failed,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Unauthenticated(_) => Code::Unauthenticated,
            Refusal::Denied(_) => Code::PermissionDenied,
            Refusal::Invalid(_) => Code::InvalidArgument,
            Refusal::NotAtHand(_) | Refusal::Failed(_) => Code::Unavailable,
            Refusal::Busy(_) => Code::ResourceExhausted,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<NotGiven> for Refusal {
    fn from(why: NotGiven) -> Self {
        match why {
            NotGiven::Denied(why) => Self::Denied(why),
            NotGiven::NoSuchKey(why) | NotGiven::Ambiguous(why) => Self::Invalid(why),
            NotGiven::NotAtHand(why) => Self::NotAtHand(why),
        }
    }
}
