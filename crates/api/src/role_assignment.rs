//! Role assignments: what callers of an OIDC issuer may do.

use lockstep_core::access::{Assignment, SUBJECT_MAX_BYTES, SUBJECTS_MAX, Subject as CheckedSubject, Who};
use serde::{Deserialize, Serialize};

use crate::access::{Access, Scope};
use crate::field::{FieldError, Mistakes};
use crate::manifest::Manifest;

/// A role assignment's manifest.
pub type RoleAssignment = Manifest<RoleAssignmentSpec, RoleAssignmentStatus>;

/// Who may do what where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleAssignmentSpec {
    /// `viewer`, `operator`, `admin` or `auditor`.
    pub role: String,
    /// Where it counts.
    pub scope: Scope,
    /// Who.
    pub subjects: Vec<Subject>,
}

/// Callers of an issuer: exactly one of `group` and `user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Subject {
    /// The name of an issuer in the server's configuration.
    pub issuer: String,
    /// Everybody whose token names this group, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The one whose token names this user, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How a role assignment is: nothing that could change by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleAssignmentStatus {}

impl TryFrom<&RoleAssignmentSpec> for Assignment {
    type Error = Vec<FieldError>;
    fn try_from(wire: &RoleAssignmentSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let access = Access { role: wire.role.clone(), scope: wire.scope.clone() }.check("spec", &mut mistakes);
        mistakes.count("spec.subjects", wire.subjects.len(), SUBJECTS_MAX);
        let subjects: Vec<_> = wire
            .subjects
            .iter()
            .enumerate()
            .map(|(i, s)| check_subject(s, &format!("spec.subjects[{i}]"), &mut mistakes))
            .collect();
        let checked = || Some(Self { access: access?, subjects: subjects.into_iter().collect::<Option<_>>()? });
        mistakes.finish(checked())
    }
}

fn check_subject(wire: &Subject, field: &str, mistakes: &mut Mistakes) -> Option<CheckedSubject> {
    let issuer = mistakes.parse(format!("{field}.issuer"), &wire.issuer);
    let (name, text, who): (_, _, fn(String) -> Who) = match (&wire.group, &wire.user) {
        (Some(group), None) => ("group", group, Who::Group),
        (None, Some(user)) => ("user", user, Who::User),
        _ => {
            mistakes.add(field, "exactly one of group and user is needed");
            return None;
        }
    };
    if text.is_empty() || text.len() > SUBJECT_MAX_BYTES {
        mistakes.add(format!("{field}.{name}"), format!("use 1 to {SUBJECT_MAX_BYTES} bytes"));
        return None;
    }
    Some(CheckedSubject { issuer: issuer?, who: who(text.clone()) })
}

impl From<&Assignment> for RoleAssignmentSpec {
    fn from(checked: &Assignment) -> Self {
        let Access { role, scope } = (&checked.access).into();
        let subject = |subject: &CheckedSubject| {
            let (group, user) = match &subject.who {
                Who::Group(group) => (Some(group.clone()), None),
                Who::User(user) => (None, Some(user.clone())),
            };
            Subject { issuer: subject.issuer.to_string(), group, user }
        };
        Self { role, scope, subjects: checked.subjects.iter().map(subject).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_checked_is_shown_as_it_was_written_and_every_mistake_is_named() {
        let good = json!({"role": "operator", "scope": {"clusters": {"matchLabels": {"env": "prod"}}}, "subjects": [
            {"issuer": "gitlab", "group": "payments/deploy"}, {"issuer": "gitlab", "user": "project_path:a/b"}]});
        let spec: RoleAssignmentSpec = serde_json::from_value(good.clone()).unwrap();
        let checked = Assignment::try_from(&spec).unwrap();
        assert_eq!(serde_json::to_value(RoleAssignmentSpec::from(&checked)).unwrap(), good);
        let bad = json!({"role": "root", "scope": {"everything": true, "project": "p"}, "subjects": [
            {"issuer": "Git Lab", "group": "a"}, {"issuer": "gitlab"}, {"issuer": "gitlab", "group": "a", "user": "b"},
            {"issuer": "gitlab", "user": ""}]});
        let mistakes = Assignment::try_from(&serde_json::from_value::<RoleAssignmentSpec>(bad).unwrap()).unwrap_err();
        let fields: Vec<_> = mistakes.iter().map(|m| m.field.as_str()).collect();
        let subjects = ["spec.subjects[0].issuer", "spec.subjects[1]", "spec.subjects[2]", "spec.subjects[3].user"];
        assert_eq!(fields, [&["spec.role", "spec.scope"][..], &subjects].concat());
        let nobody = RoleAssignmentSpec { subjects: Vec::new(), ..spec };
        assert_eq!(Assignment::try_from(&nobody).unwrap_err()[0].field, "spec.subjects");
    }
}
