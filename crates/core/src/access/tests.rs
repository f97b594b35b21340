use std::collections::BTreeMap;

use super::*;
use crate::label::Labels;
use crate::name::ProjectName;

fn project(name: &str) -> ProjectName {
    name.parse().unwrap()
}

fn clusters(selector: &str) -> Scope {
    Scope::Clusters(selector.parse().unwrap())
}

fn labels(key: &str, value: &str) -> Labels {
    Labels::try_from(BTreeMap::from([(key.to_owned(), value.to_owned())])).unwrap()
}

fn given(role: Role, scope: Scope) -> Permissions {
    vec![Access { role, scope }].into()
}

#[test]
fn each_role_may_do_what_its_name_says_and_no_more() {
    use Action::{Administer, Audit, Operate, Read};
    for (role, may) in [
        (Role::Viewer, &[Read][..]),
        (Role::Auditor, &[Read, Audit]),
        (Role::Operator, &[Read, Operate]),
        (Role::Admin, &[Read, Audit, Operate, Administer]),
    ] {
        for action in [Read, Audit, Operate, Administer] {
            let allowed = given(role, Scope::Everything).allow(action, Place::Everything);
            assert_eq!(allowed, may.contains(&action), "{role} {action:?}");
        }
        assert_eq!(role.as_str().parse(), Ok(role));
    }
    assert!("root".parse::<Role>().is_err());
}

#[test]
fn a_role_counts_within_its_scope_only() {
    let (payments, billing) = (project("payments"), project("billing"));
    let (prod, dev) = (labels("env", "prod"), labels("env", "dev"));
    let places = [
        Place::Everything,
        Place::Shared,
        Place::Project(&payments),
        Place::Project(&billing),
        Place::Cluster(&prod),
        Place::Cluster(&dev),
    ];
    for (scope, want) in [
        (Scope::Everything, [true; 6]),
        (Scope::Project(payments.clone()), [false, true, true, false, false, false]),
        (clusters("env=prod"), [false, true, false, false, true, false]),
        (clusters(""), [false, true, false, false, true, true]),
    ] {
        assert_eq!(places.map(|place| given(Role::Admin, scope.clone()).allow(Action::Administer, place)), want, "{scope}");
    }
    assert_eq!(places.map(|place| Permissions::default().allow(Action::Read, place)), [false; 6], "nobody gave anything");
}

#[test]
fn several_roles_add_up_and_never_mix() {
    let (payments, billing) = (project("payments"), project("billing"));
    let permissions = Permissions::from(vec![
        Access { role: Role::Operator, scope: Scope::Project(payments.clone()) },
        Access { role: Role::Viewer, scope: Scope::Project(billing.clone()) },
    ]);
    assert!(permissions.allow(Action::Operate, Place::Project(&payments)));
    assert!(permissions.allow(Action::Read, Place::Project(&billing)));
    assert!(!permissions.allow(Action::Operate, Place::Project(&billing)), "the role of one project is not the other's");
    let reach = |action| serde_json::to_value(permissions.reach(action)).unwrap();
    let none: [&str; 0] = [];
    let want = |projects: &[&str]| serde_json::json!({"everything": false, "projects": projects, "clusters": none});
    assert_eq!(reach(Action::Read), want(&["payments", "billing"]));
    assert_eq!(reach(Action::Operate), want(&["payments"]));
    assert_eq!(reach(Action::Audit), want(&[]));
}

#[test]
fn roles_are_given_by_admins_and_only_within_their_own_scope() {
    let payments = Scope::Project(project("payments"));
    let scopes = [Scope::Everything, payments.clone(), Scope::Project(project("billing")), clusters("env=prod"), clusters("")];
    for (holder, want) in [
        (given(Role::Admin, Scope::Everything), [true; 5]),
        (given(Role::Admin, payments.clone()), [false, true, false, false, false]),
        (given(Role::Admin, clusters("env=prod")), [false, false, false, true, false]),
        // It selects more clusters, and still: which is the wider of two selectors is not compared.
        (given(Role::Admin, clusters("")), [false, false, false, false, true]),
        (given(Role::Operator, Scope::Everything), [false; 5]),
        (given(Role::Auditor, payments), [false; 5]),
    ] {
        assert_eq!(scopes.each_ref().map(|scope| holder.require_giving(scope).is_ok()), want, "{holder:?}");
    }
}

#[test]
fn a_refusal_says_which_role_where_would_be_needed() {
    let nobody = Permissions::default();
    let (payments, prod) = (project("payments"), labels("env", "prod"));
    for (refused, want) in [
        (nobody.require(Action::Operate, Place::Project(&payments)), "the role operator or admin of project payments: ask"),
        (nobody.require(Action::Audit, Place::Everything), "the role admin or auditor of everything: ask"),
        (nobody.require(Action::Administer, Place::Cluster(&prod)), "the role admin of clusters with its labels (env=prod): ask"),
        (nobody.require_anywhere(Action::Operate), "the role operator or admin: ask"),
        (nobody.require_giving(&Scope::Everything), "the role admin of everything: ask"),
    ] {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(want), "{text}");
    }
}
