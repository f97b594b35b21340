//! A role assignment's columns.

use lockstep_api::access::Scope;
use lockstep_api::role_assignment::{RoleAssignment, Subject};

use super::cell::Cell;
use super::column::Column;
use super::grant::selector;

pub(super) const COLUMNS: &[Column<RoleAssignment>] = &[
    Column::usual("NAME", |r| Cell::text(&r.metadata.name)),
    Column::usual("ROLE", |r| Cell::text(&r.spec.role)),
    Column::usual("SCOPE", |r| Cell::text(&scope(&r.spec.scope))),
    Column::usual("SUBJECTS", |r| Cell::text(&r.spec.subjects.iter().map(subject).collect::<Vec<_>>().join(","))),
    Column::usual("AGE", |r| Cell::Age(r.metadata.creation_timestamp)),
];

/// As in `project/payments` and `clusters/env=prod`.
pub(crate) fn scope(scope: &Scope) -> String {
    match (&scope.project, &scope.clusters) {
        (Some(project), _) => format!("project/{project}"),
        (None, Some(clusters)) => format!("clusters/{}", selector(clusters)),
        (None, None) => "everything".to_owned(),
    }
}

/// As in `gitlab:group/payments`.
fn subject(subject: &Subject) -> String {
    match (&subject.group, &subject.user) {
        (Some(group), _) => format!("{}:group/{group}", subject.issuer),
        (None, user) => format!("{}:user/{}", subject.issuer, user.as_deref().unwrap_or_default()),
    }
}
