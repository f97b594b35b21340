//! A failed request in words, for whoever has to do something about it.

use super::failure::{Failure, Refused};
use super::location::Location;
use crate::sink::SinkError;

/// How many fields one text names.
const NAMED_MAX: usize = 5;
const OF_CONTENT: &str =
    "its type asks for certain keys, and for values of its own format: correct keys or values, or change spec.target.secret.type";
const OF_TARGET: &str = "correct spec.target.secret, or ask whoever set up the cluster's admission policies";

impl Failure {
    /// The same, for a list of those that may use it.
    pub(super) fn explain_users(&self, doing: &'static str, users: &'static str, location: &Location) -> SinkError {
        match self {
            Self::Refused(refused) if refused.code == 403 => {
                let kind = users.rsplit('/').next().unwrap_or_default();
                SinkError::Kubernetes(format!(
                    "cannot {doing} Secret {location}: the agent may not list {kind}: give its service account a Role in namespace {} that lets it",
                    location.namespace
                ))
            }
            _ => self.explain(doing, "list", location),
        }
    }

    /// The same, where content was to be removed and its place could not be looked at.
    pub(super) fn explain_removal(&self, verb: &'static str, location: &Location) -> SinkError {
        let explained = self.explain("remove", verb, location);
        match explained {
            SinkError::Kubernetes(cause) if self.is_forbidden() => SinkError::Kubernetes(format!(
                "{cause}. If namespace {namespace} is gone: let the service account get namespaces, so that the agent can tell",
                namespace = location.namespace
            )),
            explained => explained,
        }
    }

    /// What is told of it, having tried to do `doing` with the Secret at `location`.
    pub(super) fn explain(&self, doing: &'static str, verb: &'static str, location: &Location) -> SinkError {
        let at = format!("cannot {doing} Secret {location}");
        SinkError::Kubernetes(match self {
            Self::Away(why) => format!("{at}: the API server did not answer: {why}; it is tried again"),
            Self::Silent(limit) => format!("{at}: the API server did not answer within {limit:?}; it is tried again"),
            Self::Strange => format!("{at}: the API server's answer cannot be used: is something else at its address?"),
            Self::Refused(refused) => return explain_refusal(refused, &at, verb, location),
        })
    }
}

fn explain_refusal(refused: &Refused, at: &str, verb: &'static str, location: &Location) -> SinkError {
    let namespace = &location.namespace;
    SinkError::Kubernetes(match refused.code {
        401 => format!("{at}: the API server does not know the agent's credentials: check its service account"),
        403 if refused.has(None, "NamespaceTerminating") => {
            format!("{at}: namespace {namespace} is being deleted: take it out of spec.target.secret.namespaces")
        }
        403 => return forbidden(at, refused.verb(), verb, location),
        404 if refused.is_of_namespace() => {
            format!("{at}: namespace {namespace} does not exist: create it, or correct spec.target.secret.namespaces")
        }
        404 => format!("{at}: it is not there any more; it is tried again"),
        409 => format!("{at}: it changes all the time; it is tried again"),
        422 if refused.has(Some("type"), "FieldValueInvalid") => return type_mismatch(location, None),
        422 if refused.has(Some("data"), "FieldValueForbidden") => return immutable(location),
        413 | 422 if refused.code == 413 || refused.has(None, "FieldValueTooLong") => {
            format!("{at}: the API server finds it too large: deliver fewer keys, or split the binding")
        }
        422 => {
            let fields = refused.fields();
            let advice = if fields.iter().any(|field| field.starts_with("data")) { OF_CONTENT } else { OF_TARGET };
            let what = if fields.is_empty() { "it".to_owned() } else { list(&fields) };
            format!("{at}: the API server finds {what} invalid: {advice}")
        }
        429 | 503 => format!("{at}: the API server is busy; it is tried again"),
        code => format!("{at}: the API server answered {code}; it is tried again"),
    })
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
    let types = types.map_or_else(|| " other than that".to_owned(), |(there, wanted)| format!(" {there:?}, not {wanted:?}"));
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
