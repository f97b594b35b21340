//! What is waited for.

use std::fmt;
use std::str::FromStr;

use anyhow::ensure;
use serde_json::Value;

use crate::item;
use crate::kind::Registered;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    /// A condition has a status.
    Condition { name: String, status: String },
    /// It does not exist.
    Delete,
}

impl Goal {
    /// What is still missing, as the rest of a sentence that begins with the thing's name; `None` if the goal is met.
    pub(super) fn missing(&self, found: Option<&Value>) -> Option<String> {
        match (self, found) {
            (Self::Delete, None) => None,
            (Self::Delete, Some(_)) => Some("still exists".to_owned()),
            // Told as an error by whoever looked; here only for one that went while it was waited for.
            (Self::Condition { .. }, None) => Some("does not exist".to_owned()),
            (Self::Condition { name, status }, Some(manifest)) => {
                let conditions = item::conditions(manifest);
                let Some(condition) = conditions.iter().find(|c| c["type"] == **name) else {
                    return Some(format!("has no condition {name}"));
                };
                let is = condition["status"].as_str().unwrap_or_default();
                if is.eq_ignore_ascii_case(status) {
                    return None;
                }
                let why = condition["message"].as_str().filter(|m| !m.is_empty());
                let why = why.or_else(|| condition["reason"].as_str()).unwrap_or("no reason given");
                let not = if status == "True" { format!("is not {name}") } else { format!("has {name}={is}") };
                Some(format!("{not}: {why}"))
            }
        }
    }

    /// Refuses a condition that things of this kind never have: it would be waited for in vain.
    pub(super) fn check(&self, kind: Registered) -> anyhow::Result<()> {
        let Self::Condition { name, .. } = self else { return Ok(()) };
        let known = kind.conditions();
        ensure!(!known.is_empty(), "{} have no conditions: only `--for=delete` can be waited for", kind.plural());
        let listed = known.join(", ");
        ensure!(known.contains(&name.as_str()), "{} have no condition {name:?}: use --for=condition={listed}", kind.plural());
        Ok(())
    }

    /// As kubectl says it.
    pub(super) fn met(&self) -> &'static str {
        match self {
            Self::Condition { .. } => "condition met",
            Self::Delete => "deleted",
        }
    }

    /// The kind that has this condition.
    pub(super) fn usual_kind(&self) -> Option<Registered> {
        match self {
            Self::Condition { name, .. } if name == "InSync" => Some(Registered::Binding),
            Self::Condition { name, .. } if name == "Ready" => Some(Registered::Cluster),
            _ => None,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { name, status } if status == "True" => write!(f, "condition={name}"),
            Self::Condition { name, status } => write!(f, "condition={name}={status}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

impl FromStr for Goal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "delete" {
            return Ok(Self::Delete);
        }
        let condition = text.strip_prefix("condition=").filter(|rest| !rest.is_empty());
        let condition = condition.ok_or_else(|| format!("{text:?} is nothing to wait for: use condition=NAME or delete"))?;
        let (name, status) = condition.split_once('=').unwrap_or((condition, "True"));
        Ok(Self::Condition { name: name.to_owned(), status: status.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_said_with_its_cause() {
        let goal: Goal = "condition=InSync".parse().unwrap();
        let manifest = |status: &str, message: &str| json!({"status": {"conditions": [{"type": "InSync", "status": status, "reason": "R", "message": message}]}});
        for (found, want) in [
            (Some(manifest("True", "")), None),
            (Some(manifest("False", "2 of 3 clusters")), Some("is not InSync: 2 of 3 clusters")),
            (Some(manifest("Unknown", "")), Some("is not InSync: R")),
            (Some(json!({})), Some("has no condition InSync")),
            (None, Some("does not exist")),
        ] {
            assert_eq!(goal.missing(found.as_ref()).as_deref(), want);
        }
    }

    #[test]
    fn a_condition_that_a_kind_never_has_is_refused_with_those_it_has() {
        let goal: Goal = "condition=Ready".parse().unwrap();
        assert!(goal.check(Registered::Cluster).is_ok() && goal.check(Registered::Source).is_ok());
        let message = goal.check(Registered::Binding).unwrap_err().to_string();
        assert_eq!(message, "bindings have no condition \"Ready\": use --for=condition=InSync");
        assert!(goal.check(Registered::Project).unwrap_err().to_string().contains("projects have no conditions"));
        assert!(Goal::Delete.check(Registered::Project).is_ok());
    }

    #[test]
    fn goals_are_written_as_for_kubectl() {
        for text in ["condition=InSync", "condition=Ready=False", "delete"] {
            assert_eq!(text.parse::<Goal>().unwrap().to_string(), text);
        }
        assert!("InSync".parse::<Goal>().is_err() && "condition=".parse::<Goal>().is_err());
        assert_eq!("delete".parse::<Goal>().unwrap().missing(None), None);
    }
}
