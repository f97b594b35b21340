//! Label selectors in Kubernetes' object form.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::selector::{Operator, Requirement, Selector as Checked};
use serde::{Deserialize, Serialize};

use crate::field::Mistakes;

/// What is meant, by its labels. Empty: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = LabelSelector))]
pub struct Selector {
    /// Each of these labels must have this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Each of these must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Expression>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = LabelSelectorRequirement))]
pub struct Expression {
    /// The label's key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// For `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl Selector {
    /// The checked selector; mistakes are noted under `field`.
    pub fn check(&self, field: &str, mistakes: &mut Mistakes) -> Option<Checked> {
        let mut requirements = Vec::new();
        for (key, value) in &self.match_labels {
            let requirement = Requirement::new(key.clone(), Operator::In, vec![value.clone()]);
            requirements.push(mistakes.take(format!("{field}.matchLabels.{key}"), requirement));
        }
        for (i, expression) in self.match_expressions.iter().enumerate() {
            let field = format!("{field}.matchExpressions[{i}]");
            let operator = mistakes.parse::<Operator>(format!("{field}.operator"), &expression.operator);
            requirements.push(operator.and_then(|operator| {
                mistakes.take(field, Requirement::new(expression.key.clone(), operator, expression.values.clone()))
            }));
        }
        requirements.into_iter().collect::<Option<_>>().map(Checked::new)
    }
}

impl From<&Checked> for Selector {
    fn from(checked: &Checked) -> Self {
        let mut selector = Self::default();
        let mut seen = BTreeSet::new();
        for requirement in checked.requirements() {
            match (requirement.operator(), requirement.values()) {
                (Operator::In, [value]) if seen.insert(requirement.key()) => {
                    selector.match_labels.insert(requirement.key().to_owned(), value.clone());
                }
                (operator, values) => selector.match_expressions.push(Expression {
                    key: requirement.key().to_owned(),
                    operator: format!("{operator:?}"),
                    values: values.to_vec(),
                }),
            }
        }
        selector
    }
}
