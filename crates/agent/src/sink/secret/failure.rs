//! Why a request to the API server failed. Only codes, reasons and names are kept: what the API server, a proxy or an admission
//! webhook says in its own words may quote what was sent.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use lockstep_core::render::is_content_key;
use serde::Deserialize;

use super::field::Field;

/// The longest name of a field manager (Kubernetes' own limit).
const MANAGER_MAX_BYTES: usize = 128;
/// The verbs that RBAC knows, to be found in a refusal.
const VERBS: [&str; 6] = ["create", "delete", "get", "list", "patch", "watch"];

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The API server said no.
    Refused(Box<Refused>),
    /// It was not reached.
    Away(&'static str),
    /// It did not answer in time.
    Silent(Duration),
    /// It answered something that is no answer to this.
    Strange,
}

/// A refusal, without its free texts.
#[derive(Default)]
pub(super) struct Refused {
    /// Of HTTP.
    pub(super) code: u16,
    /// What a field is refused for.
    causes: Vec<Cause>,
    /// The verb that RBAC refuses.
    verb: Option<&'static str>,
    /// The kind of what is not there.
    kind: String,
}

/// What one field is refused for.
struct Cause {
    reason: String,
    field: String,
    /// Who owns the field, in a conflict.
    manager: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    kind: String,
    causes: Vec<StatusCause>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

impl Refused {
    /// From the body of a refusal, whoever wrote it.
    pub(super) fn of(code: u16, body: &[u8]) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let forbidden = status.reason == "Forbidden";
        let verb = VERBS.into_iter().find(|verb| forbidden && status.message.contains(&format!("cannot {verb} resource \"")));
        let Details { kind, causes } = status.details.unwrap_or_default();
        let causes = causes.into_iter().map(Cause::from).collect();
        Self { code, causes, verb, kind }
    }

    /// The fields that other managers own, with these.
    pub(super) fn conflicts(&self) -> Vec<(Field, String)> {
        let conflicts = self.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
        conflicts.map(|cause| (Field::of_path(&cause.field), cause.manager.clone().unwrap_or_default())).collect()
    }

    /// The verb that RBAC refuses; `None` where it was not RBAC.
    pub(super) fn verb(&self) -> Option<&'static str> {
        self.verb
    }

    /// Whether it is a namespace that is not there.
    pub(super) fn is_of_namespace(&self) -> bool {
        self.kind == "namespaces"
    }

    /// Whether a field (any, if `None`) is refused for that reason.
    pub(super) fn has(&self, field: Option<&str>, reason: &str) -> bool {
        self.causes.iter().any(|cause| cause.reason == reason && field.is_none_or(|field| cause.field == field))
    }

    /// The refused fields that a Secret can have. An admission webhook can put anything in the place of a name.
    pub(super) fn fields(&self) -> Vec<String> {
        self.causes.iter().filter(|cause| cause.is_of_a_secret()).map(|cause| cause.field.clone()).collect()
    }
}

impl Cause {
    fn is_of_a_secret(&self) -> bool {
        let key = self.field.strip_prefix("data[").and_then(|rest| rest.strip_suffix(']'));
        key.is_some_and(is_content_key)
            || ["data", "type", "immutable"].contains(&self.field.as_str())
            || ["metadata.name", "metadata.labels", "metadata.annotations"].contains(&self.field.as_str())
    }
}

/// Only what cannot be anybody's own words.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("code", &self.code).field("verb", &self.verb).finish_non_exhaustive()
    }
}

impl From<StatusCause> for Cause {
    fn from(cause: StatusCause) -> Self {
        // `conflict with "kubectl-edit" using v1`: the manager's name is the only thing taken from a message.
        let manager = cause.message.strip_prefix("conflict with \"").and_then(|rest| rest.split('"').next());
        let manager = manager.filter(|name| name.len() <= MANAGER_MAX_BYTES).map(str::to_owned);
        Self { reason: cause.reason, field: cause.field, manager }
    }
}

impl Failure {
    /// From what kube says. Its own texts may hold anything that its plugins said.
    pub(super) fn away(error: &kube::Error) -> Self {
        if matches!(error, kube::Error::Auth(_)) {
            return Self::Away("the agent's credentials for it cannot be used");
        }
        let mut source: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = source {
            if error.is::<tower::timeout::error::Elapsed>() {
                return Self::Away("no answer in time");
            }
            match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::Away("connection refused"),
                Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => return Self::Away("the connection was lost"),
                Some(io::ErrorKind::TimedOut) => return Self::Away("the connection timed out"),
                Some(io::ErrorKind::InvalidData) => return Self::Away("its certificate is not trusted"),
                _ => source = error.source(),
            }
        }
        Self::Away("it cannot be reached")
    }

    /// Whether it was refused for want of a right.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.code == 403)
    }

    /// Whether what was looked at is not what is there any more, or something is there that was not seen.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.code == 409)
    }
}
