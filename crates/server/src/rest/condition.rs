//! Conditions of statuses, with Kubernetes' words.

use lockstep_api::manifest::Condition;

/// It holds.
pub(crate) fn holds(condition: &str, reason: &str, message: impl Into<String>) -> Condition {
    new(condition, "True", reason, message.into())
}

/// It does not hold; `message` says why and what to do.
pub(crate) fn fails(condition: &str, reason: &str, message: impl Into<String>) -> Condition {
    new(condition, "False", reason, message.into())
}

/// Nobody knows yet.
pub(crate) fn unknown(condition: &str, reason: &str, message: impl Into<String>) -> Condition {
    new(condition, "Unknown", reason, message.into())
}

fn new(condition: &str, status: &str, reason: &str, message: String) -> Condition {
    Condition { condition: condition.to_owned(), status: status.to_owned(), reason: reason.to_owned(), message }
}
