//! The SQL function `selected` is core's selector.

use std::collections::BTreeMap;

use anyhow::Result;
use lockstep_core::label::Labels;
use lockstep_core::selector::{Operator, Requirement, Selector};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::types::Json;

use crate::fixture::Registry;

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["env", "tier", "lockstep.dev/owner"]).prop_map(Into::into)
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "b", "prod"]).prop_map(Into::into)
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let operator = prop::sample::select(vec![Operator::In, Operator::NotIn, Operator::Exists, Operator::DoesNotExist]);
    (key(), operator, prop::collection::vec(value(), 1..3)).prop_map(|(key, operator, values)| {
        let values = if matches!(operator, Operator::In | Operator::NotIn) { values } else { Vec::new() };
        Requirement::new(key, operator, values).expect("a requirement that follows the rules")
    })
}

pub(crate) fn selector() -> impl Strategy<Value = Selector> {
    prop::collection::vec(requirement(), 0..4).prop_map(Selector::new)
}

pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(key(), value(), 0..4).prop_map(|m: BTreeMap<_, _>| Labels::try_from(m).expect("labels"))
}

#[test]
fn the_sql_function_selects_what_core_selects() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let registry = runtime.block_on(Registry::new())?;
    let cases = (selector(), labels());
    TestRunner::new(Config { cases: 1_000, failure_persistence: None, ..Config::default() }).run(
        &cases,
        |(selector, labels)| {
            let asked = sqlx::query_scalar("select selected($1, $2)").bind(Json(&labels)).bind(Json(&selector));
            let selected: bool = runtime.block_on(asked.fetch_one(&registry.pool)).expect("an answer");
            prop_assert_eq!(selected, selector.matches(&labels));
            Ok(())
        },
    )?;
    Ok(())
}
