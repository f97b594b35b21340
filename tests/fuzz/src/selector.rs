//! Label selectors in Kubernetes' text form.

use std::collections::BTreeMap;

use lockstep_core::label::Labels;
use lockstep_core::selector::{Operator, Selector};

use crate::{Target, text, texts};

/// The target.
pub const TARGET: Target = Target { name: "selector", run, seeds };

/// A line with a selector, and one with labels: `env=prod tier=web`.
fn run(data: &[u8]) {
    let input = text(data);
    let (selector, labels) = input.split_once('\n').unwrap_or((&input, ""));
    let Ok(selector) = selector.parse::<Selector>() else { return };
    assert_eq!(selector.to_string().parse::<Selector>().as_ref(), Ok(&selector), "written and read again: {selector}");
    let labels = labels
        .split_whitespace()
        .filter_map(|label| label.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let Ok(labels) = Labels::try_from(labels.collect::<BTreeMap<_, _>>()) else { return };
    let each = selector.requirements().iter().all(|requirement| {
        let (value, listed) = (labels.get(requirement.key()), |value: &str| requirement.values().iter().any(|v| v == value));
        match requirement.operator() {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    });
    assert_eq!(selector.matches(&labels), each, "{selector} on {labels:?}");
}

fn seeds() -> Vec<Vec<u8>> {
    texts([
        "env=prod\nenv=prod",
        "env==prod,tier!=web\nenv=prod tier=db",
        "env in (prod, dev),!legacy\nenv=dev",
        "tier notin (web,api),lockstep.dev/owner\nlockstep.dev/owner=a",
        "a in ()\na=",
        "",
    ])
}
