//! Label selectors: Kubernetes' object form (`matchLabels`, `matchExpressions`) and its text form (`env=prod,tier in (a,b)`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::label::{LabelError, Labels, check_key, check_value};

/// Which clusters are meant. All requirements must hold; without any, every cluster matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(Vec<Requirement>);

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    key: String,
    operator: Operator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

/// Kubernetes' selector operators. As there, `NotIn` also matches where the key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The value is one of the listed.
    In,
    /// The key is absent or its value is none of the listed.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

/// Why a selector is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// A key or value breaks the rules of labels.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// `In` and `NotIn` without values.
    #[error("operator {0:?} on {1:?} needs at least one value")]
    NoValues(Operator, String),
    /// `Exists` and `DoesNotExist` with values.
    #[error("operator {0:?} on {1:?} takes no values")]
    Values(Operator, String),
    /// Not the text syntax.
    #[error(
        "{0:?} is not a label selector: use key=value, key!=value, key, !key, key in (a,b) or key notin (a,b), joined by ','"
    )]
    Syntax(String),
    /// An operator Kubernetes does not have.
    #[error("{0:?} is not an operator: use In, NotIn, Exists or DoesNotExist")]
    Operator(String),
}

impl Requirement {
    /// A checked requirement.
    pub fn new(key: String, operator: Operator, values: Vec<String>) -> Result<Self, SelectorError> {
        check_key(&key)?;
        values.iter().try_for_each(|v| check_value(v))?;
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => Err(SelectorError::NoValues(operator, key)),
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => Err(SelectorError::Values(operator, key)),
            _ => Ok(Self { key, operator, values }),
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it is compared.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What it is compared with.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = |v: &str| self.values.iter().any(|x| x == v);
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl Selector {
    /// A selector of these requirements.
    pub fn new(requirements: Vec<Requirement>) -> Self {
        Self(requirements)
    }

    /// The object form's `matchLabels`.
    pub fn of_labels(labels: BTreeMap<String, String>) -> Result<Self, SelectorError> {
        labels.into_iter().map(|(k, v)| Requirement::new(k, Operator::In, vec![v])).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `labels` meet every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|r| r.matches(labels))
    }

    /// The requirements, in the order written.
    pub fn requirements(&self) -> &[Requirement] {
        &self.0
    }
}

impl Operator {
    /// Kubernetes' word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

/// Kubernetes' text form, as a `labelSelector` parameter takes it.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

/// Kubernetes' text form, as a `labelSelector` parameter takes it.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

impl FromStr for Operator {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        match text {
            "In" => Ok(Self::In),
            "NotIn" => Ok(Self::NotIn),
            "Exists" => Ok(Self::Exists),
            "DoesNotExist" => Ok(Self::DoesNotExist),
            other => Err(SelectorError::Operator(other.to_owned())),
        }
    }
}

/// Kubernetes' text form, as in `kubectl get -l`.
impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        split_outside_parentheses(text).into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    let text = text.trim();
    let syntax = || SelectorError::Syntax(text.to_owned());
    let one = |k: &str, op, v: &str| Requirement::new(k.trim().to_owned(), op, vec![v.trim().to_owned()]);
    if let Some((key, value)) = text.split_once("!=") {
        return one(key, Operator::NotIn, value);
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return one(key, Operator::In, value);
    }
    if let Some(list) = text.strip_suffix(')') {
        let (head, values) = list.split_once('(').ok_or_else(syntax)?;
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Requirement::new(key.to_owned(), Operator::In, values),
            (Some(key), Some("notin"), None) => Requirement::new(key.to_owned(), Operator::NotIn, values),
            _ => Err(syntax()),
        };
    }
    let (key, operator) = text.strip_prefix('!').map_or((text, Operator::Exists), |key| (key, Operator::DoesNotExist));
    Requirement::new(key.trim().to_owned(), operator, Vec::new()).map_err(|_| syntax())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        let map: BTreeMap<String, String> =
            text.split_whitespace().map(|kv| kv.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect();
        Labels::try_from(map).unwrap()
    }

    #[test]
    fn the_text_form_means_what_kubectl_means() {
        for (selector, on, want) in [
            ("", "", true),
            ("env=prod", "env=prod", true),
            ("env==prod", "env=prod", true),
            ("env=prod", "env=dev", false),
            ("env=prod", "", false),
            ("env!=prod", "", true),
            ("env!=prod", "env=prod", false),
            ("env", "env=x", true),
            ("!env", "env=x", false),
            ("!env", "", true),
            ("env in (a, b)", "env=b", true),
            ("env in (a,b),tier=x", "env=b", false),
            ("env notin (a,b)", "env=c", true),
            ("env=prod,region=eu", "env=prod region=eu", true),
        ] {
            let parsed: Selector = selector.parse().unwrap();
            assert_eq!(parsed.matches(&labels(on)), want, "{selector:?} on {on:?}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{selector:?} written again");
        }
        for bad in ["a b", "=x", "a in", "a in ()x", "a in b", ",", "a=b c"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
