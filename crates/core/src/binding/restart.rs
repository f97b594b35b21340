//! What restarts when content changes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::WorkloadName;
use crate::selector::Selector;

/// The most workloads one binding may name.
pub const WORKLOADS_MAX: usize = 64;

/// What restarts when content changes. In the namespaces of the target only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub enum Restart {
    /// Nothing.
    #[default]
    None,
    /// Whatever refers to the target.
    Auto,
    /// What is named or selected here.
    Selected {
        /// By name.
        workloads: Vec<WorkloadRef>,
        /// By label.
        selector: Option<Selector>,
    },
}

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadRef {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: WorkloadName,
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The kinds of workloads that can be restarted by rolling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
}

/// A word that is no kind of workload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a kind of workload that can be restarted: {list}", list = WorkloadKind::ALL.map(WorkloadKind::as_str).join(", "))]
pub struct UnknownWorkloadKind(String);

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// Kubernetes' word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WorkloadKind {
    type Err = UnknownWorkloadKind;
    fn from_str(text: &str) -> Result<Self, UnknownWorkloadKind> {
        Self::ALL.into_iter().find(|k| k.as_str() == text).ok_or_else(|| UnknownWorkloadKind(text.to_owned()))
    }
}

/// As it is stored. The first versions stored `Selected` as a word, without anything that it selects.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Word(Word),
    Selected {
        #[serde(rename = "Selected")]
        selected: Selection,
    },
}

#[derive(Deserialize)]
enum Word {
    None,
    Auto,
    Selected,
}

#[derive(Deserialize)]
struct Selection {
    workloads: Vec<WorkloadRef>,
    selector: Option<Selector>,
}

impl From<Stored> for Restart {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Word(Word::None) => Self::None,
            Stored::Word(Word::Auto) => Self::Auto,
            Stored::Word(Word::Selected) => Self::Selected { workloads: Vec::new(), selector: None },
            Stored::Selected { selected: Selection { workloads, selector } } => Self::Selected { workloads, selector },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_stored_reads_back() {
        let workload = WorkloadRef { kind: WorkloadKind::StatefulSet, name: "db.v2".parse().unwrap() };
        let selected = Restart::Selected { workloads: vec![workload], selector: Some("app=checkout".parse().unwrap()) };
        for (restart, stored) in [
            (Restart::None, json!("None")),
            (Restart::Auto, json!("Auto")),
            (
                selected,
                json!({"Selected": {
                    "workloads": [{"kind": "StatefulSet", "name": "db.v2"}],
                    "selector": [{"key": "app", "operator": "In", "values": ["checkout"]}],
                }}),
            ),
        ] {
            assert_eq!(serde_json::to_value(&restart).unwrap(), stored);
            assert_eq!(serde_json::from_value::<Restart>(stored).unwrap(), restart);
        }
        assert!(serde_json::from_value::<Restart>(json!("Always")).is_err());
        assert!("CronJob".parse::<WorkloadKind>().unwrap_err().to_string().contains("Deployment, StatefulSet, DaemonSet"));
    }
}
