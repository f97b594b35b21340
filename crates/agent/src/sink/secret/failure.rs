//! Why a request to the API server failed, as a person is told. Texts are built from codes, reasons and field names: what the API
//! server, a proxy or an admission webhook says in its own words may quote what was sent.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use lockstep_core::render::is_content_key;
use serde::Deserialize;

use super::field::Field;
use super::location::Location;
use crate::sink::SinkError;

/// How many fields one text names.
const NAMED_MAX: usize = 5;
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
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Of HTTP.
    pub(super) code: u16,
    /// What a field is refused for.
    pub(super) causes: Vec<Cause>,
    /// The verb that RBAC refuses.
    verb: Option<&'static str>,
    /// The kind of what is not there.
    kind: String,
}

/// What one field is refused for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause {
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

    fn refuses(&self, field: &str) -> bool {
        self.causes.iter().any(|cause| cause.field == field)
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

impl From<StatusCause> for Cause {
    fn from(cause: StatusCause) -> Self {
        // `conflict with "kubectl-edit" using v1`: the manager's name is the only thing taken from a message.
        let manager = cause.message.strip_prefix("conflict with \"").and_then(|rest| rest.split('"').next()).map(str::to_owned);
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

    /// Whether what was looked at is not what is there any more, or something is there that was not seen.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.code == 409)
    }

    /// What is told of it, having tried to do `doing` with the Secret at `location`.
    pub(super) fn explain(&self, doing: &'static str, verb: &'static str, location: &Location) -> SinkError {
        let Location { namespace, name } = location;
        let at = format!("cannot {doing} Secret {location}");
        SinkError::Kubernetes(match self {
            Self::Away(why) => format!("{at}: the API server did not answer: {why}; it is tried again"),
            Self::Silent(limit) => format!("{at}: the API server did not answer within {limit:?}; it is tried again"),
            Self::Strange => format!("{at}: the API server's answer cannot be used: is something else at its address?"),
            Self::Refused(refused) => match refused.code {
                401 => format!("{at}: the API server does not know the agent's credentials: check its service account"),
                403 => return forbidden(&at, refused.verb, verb, location),
                404 if refused.kind == "namespaces" => {
                    format!("{at}: namespace {namespace} does not exist: create it, or correct spec.target.secret.namespaces")
                }
                404 => format!("{at}: it is not there any more; it is tried again"),
                409 => format!("{at}: it changes all the time; it is tried again"),
                413 => format!("{at}: the API server finds it too large: deliver fewer keys, or split the binding"),
                422 if refused.refuses("type") => return type_mismatch(location, None),
                422 if refused.refuses("data") => return immutable(location),
                422 => format!("{at}: the API server finds {} invalid{}", list(&refused.fields()), refused.advice()),
                429 | 503 => format!("{at}: the API server is busy; it is tried again"),
                code => format!("{at}: the API server answered {code}; it is tried again, name {name:?} is not changed"),
            },
        })
    }
}

impl Refused {
    fn fields(&self) -> Vec<String> {
        // An admission webhook can put anything in the place of a field's name.
        let fields: Vec<String> =
            self.causes.iter().filter(|cause| cause.is_of_a_secret()).map(|cause| cause.field.clone()).collect();
        if fields.is_empty() { vec!["it".to_owned()] } else { fields }
    }

    fn advice(&self) -> &'static str {
        if self.causes.iter().any(|cause| cause.field.starts_with("data")) {
            ": its type asks for these keys, and for values of its own format: correct the values or the keys, or change spec.target.secret.type"
        } else {
            ": correct spec.target.secret"
        }
    }
}

/// The rule that is missing. RBAC's own refusal names the verb; any other one with this code is an admission plugin's.
fn forbidden(at: &str, refused: Option<&'static str>, asked: &'static str, location: &Location) -> SinkError {
    let Location { namespace, name } = location;
    SinkError::Kubernetes(match refused {
        None if asked != "list" && asked != "watch" => {
            format!(
                "{at}: the API server's admission refused it: look for a quota or policy of namespace {namespace} that forbids it"
            )
        }
        verb => {
            let verb = verb.unwrap_or(asked);
            format!(
                "{at}: the agent may not {verb} it: give its service account a Role in namespace {namespace} with the rule apiGroups: [\"\"], resources: [\"secrets\"], resourceNames: [{name:?}], verbs: [{verb:?}]"
            )
        }
    })
}

/// The Secret that is there has another type; types never change.
pub(super) fn type_mismatch(location: &Location, types: Option<(&str, &str)>) -> SinkError {
    let types = types.map_or_else(|| " another type".to_owned(), |(there, wanted)| format!(" {there:?}, not {wanted:?}"));
    SinkError::Conflict(format!(
        "Secret {location} exists with type{types}, and a Secret's type cannot change: correct spec.target.secret.type or choose another name, or delete the Secret"
    ))
}

/// The Secret that is there takes no other content.
pub(super) fn immutable(location: &Location) -> SinkError {
    SinkError::Conflict(format!(
        "Secret {location} exists and is immutable: choose another spec.target.secret.name, or delete the Secret"
    ))
}

/// A few names, and how many more.
pub(super) fn list(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
