//! The SQL functions `reached` and `scope_reached` are core's permissions.

use anyhow::Result;
use lockstep_core::access::{Access, Action, Permissions, Place, Role, Scope};
use lockstep_core::name::ProjectName;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::types::Json;

use crate::fixture::Registry;
use crate::selectors::{labels, selector};

fn project() -> impl Strategy<Value = ProjectName> {
    prop::sample::select(vec!["payments", "billing"]).prop_map(|name| name.parse().expect("a name"))
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        1 => Just(Scope::Everything),
        4 => project().prop_map(Scope::Project),
        4 => selector().prop_map(Scope::Clusters),
    ]
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let access = (prop::sample::select(Role::ALL.to_vec()), scope()).prop_map(|(role, scope)| Access { role, scope });
    prop::collection::vec(access, 0..4).prop_map(Into::into)
}

#[test]
fn a_list_has_what_may_be_seen_one_by_one() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let registry = runtime.block_on(Registry::new())?;
    let cases = (permissions(), prop::option::of(project()), prop::option::of(labels()), scope());
    TestRunner::new(Config { cases: 1_000, failure_persistence: None, ..Config::default() }).run(
        &cases,
        |(permissions, project, labels, scope)| {
            for action in [Action::Read, Action::Audit] {
                let places =
                    project.iter().map(Place::Project).chain(labels.iter().map(Place::Cluster)).chain([Place::Everything]);
                let may_see = places.into_iter().any(|place| permissions.allow(action, place));
                let may_see_all = permissions.allow_all_of(action, &scope);
                let asked = sqlx::query_as("select reached($1, $2, $3), scope_reached($1, $4)")
                    .bind(Json(permissions.reach(action)))
                    .bind(project.as_ref().map(ProjectName::as_str))
                    .bind(labels.as_ref().map(Json))
                    .bind(Json(&scope));
                let reached: (bool, bool) = runtime.block_on(asked.fetch_one(&registry.pool)).expect("an answer");
                prop_assert_eq!(reached, (may_see, may_see_all), "{:?}", action);
            }
            Ok(())
        },
    )?;
    Ok(())
}
