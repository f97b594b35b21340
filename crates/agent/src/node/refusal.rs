//! Why a volume is not mounted. The driver shows the sentence in the pod's events, so it says what to do; and where there are files already, it keeps
//! them.

use std::fmt;

use tonic::{Code, Status};

use super::metrics::Outcome;

/// The most that is shown of a sentence: an event holds 1,024 characters, and the driver and kubelet put theirs before it.
const SHOWN_CHARS: usize = 700;

/// What the driver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: Code,
    message: String,
}

impl Refusal {
    /// The class is wrong, or what it names is.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// It may be better soon.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// Too much at once, or too large.
    pub(super) fn exhausted(message: impl Into<String>) -> Self {
        Self::new(Code::ResourceExhausted, message)
    }

    /// The two sides do not understand each other.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: shown(&message.into()) }
    }

    /// What the agent answered, as a sentence that is complete by itself.
    pub(super) fn of_agent(status: &Status, agent: &dyn fmt::Display) -> Self {
        let said = status.message();
        let message = match status.code() {
            Code::PermissionDenied | Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition if !said.is_empty() => {
                said.to_owned()
            }
            Code::Unauthenticated => format!(
                "the agent does not take a token: {said}; the pod's must be of the audience that the CSIDriver object requests, and the \
                 node agent's of the same"
            ),
            Code::Unavailable => format!("the agent does not have it at hand: {said}; it is asked again when kubelet retries"),
            Code::ResourceExhausted => {
                format!("the agent has too much to do at once: {said}; it is asked again when kubelet retries")
            }
            Code::Unimplemented => {
                format!("the agent at {agent} does not serve volumes: it is older than this node agent; upgrade it first")
            }
            // Of our own client.
            Code::OutOfRange => return Self::exhausted("the objects are too large together: spread them over several volumes"),
            code => format!("the agent at {agent} failed: {code:?}: {said}; its log says more"),
        };
        Self::new(status.code(), message)
    }

    /// As it is counted.
    pub(super) fn outcome(&self) -> Outcome {
        match self.code {
            Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::NotFound
            | Code::FailedPrecondition => Outcome::Refused,
            Code::ResourceExhausted => Outcome::Exhausted,
            Code::Unavailable | Code::DeadlineExceeded => Outcome::Unavailable,
            _ => Outcome::Failed,
        }
    }
}

/// One line, and not longer than people see.
fn shown(message: &str) -> String {
    let line: String = message.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if message.chars().nth(SHOWN_CHARS).is_some() { format!("{line}…") } else { line }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_says_of_a_binding_is_shown_as_it_is_and_of_itself_with_what_to_do() {
        for (status, message, outcome) in [
            (Status::permission_denied("no binding gives it"), "no binding gives it", Outcome::Refused),
            (
                Status::unauthenticated("it has expired"),
                "does not take a token: it has expired; the pod's must be",
                Outcome::Refused,
            ),
            (Status::unavailable("it has just begun"), "it has just begun; it is asked again", Outcome::Unavailable),
            (Status::resource_exhausted("64 at a time"), "too much to do at once: 64 at a time", Outcome::Exhausted),
            (Status::unimplemented(""), "older than this node agent; upgrade it", Outcome::Failed),
            (Status::out_of_range("decoded message length"), "spread them over several volumes", Outcome::Exhausted),
            (Status::internal("a\nb"), "the agent at A failed: Internal: a b; its log", Outcome::Failed),
        ] {
            let refusal = Refusal::of_agent(&status, &"A");
            assert!(refusal.to_string().contains(message), "{refusal}");
            assert_eq!(refusal.outcome(), outcome, "{refusal}");
        }
        assert_eq!(Refusal::invalid("x".repeat(2000)).to_string().chars().count(), SHOWN_CHARS + 1);
    }
}
