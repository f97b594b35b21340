//! What restarts.

use lockstep_core::binding::{Restart as Checked, WORKLOADS_MAX, WorkloadKind, WorkloadRef};
use lockstep_core::name::WorkloadName;
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::field::Mistakes;
use crate::selector::Selector;

const FIELD: &str = "spec.restart";
const OF_IMMUTABLE: &str = "nothing to restart with immutable: each content has a Secret of another name, and whoever uses it gets new pods when its template names that one. Leave restart out, or immutable";

const OF_VOLUMES: &str = "nothing to restart with csi: the files in the volumes change while pods run. Leave restart out";

/// What restarts when the content changes, in the target's namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restart {
    /// `None` (default), `Auto`: whatever refers to the Secret, or `Selected`: what is named or selected here. `None` with `immutable` and `csi`.
    pub policy: String,
    /// For `Selected`, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Workload>,
    /// For `Selected`, by the workloads' labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Workload {
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What was written, checked; mistakes are noted.
pub(super) fn check(wire: Option<&Restart>, target: &Target, mistakes: &mut Mistakes) -> Option<Checked> {
    let Some(wire) = wire else { return Some(Checked::None) };
    if wire.policy != "None" && target.secret.as_ref().is_some_and(|secret| secret.immutable) {
        mistakes.add(format!("{FIELD}.policy"), OF_IMMUTABLE);
    }
    if wire.policy != "None" && target.csi.is_some() {
        mistakes.add(format!("{FIELD}.policy"), OF_VOLUMES);
    }
    if wire.policy != "Selected" {
        for (what, is_there) in [("workloads", !wire.workloads.is_empty()), ("selector", wire.selector.is_some())] {
            if is_there {
                mistakes
                    .add(format!("{FIELD}.{what}"), "goes with policy Selected only: leave it out, or write policy: Selected");
            }
        }
    }
    match wire.policy.as_str() {
        "None" => Some(Checked::None),
        "Auto" => Some(Checked::Auto),
        "Selected" => selected(wire, mistakes),
        other => {
            mistakes.add(format!("{FIELD}.policy"), format!("{other:?} is not a policy: None, Auto or Selected"));
            None
        }
    }
}

fn selected(wire: &Restart, mistakes: &mut Mistakes) -> Option<Checked> {
    if wire.workloads.is_empty() && wire.selector.is_none() {
        mistakes.add(FIELD, "Selected needs to know what: name workloads, or select them by label with selector");
    }
    if wire.workloads.len() > WORKLOADS_MAX {
        mistakes.count(&format!("{FIELD}.workloads"), wire.workloads.len(), WORKLOADS_MAX);
    }
    let workload = |(i, workload): (usize, &Workload)| {
        let kind: Option<WorkloadKind> = mistakes.parse(format!("{FIELD}.workloads[{i}].kind"), &workload.kind);
        let name: Option<WorkloadName> = mistakes.parse(format!("{FIELD}.workloads[{i}].name"), &workload.name);
        Some(WorkloadRef { kind: kind?, name: name? })
    };
    let workloads: Vec<Option<WorkloadRef>> = wire.workloads.iter().enumerate().map(workload).collect();
    let field = format!("{FIELD}.selector");
    let selector = match &wire.selector {
        Some(selector) => selector.check(&field, mistakes).map(Some),
        None => Some(None),
    };
    if wire.selector.as_ref().is_some_and(|s| *s == Selector::default()) {
        mistakes.add(field, "an empty selector would restart everything in these namespaces: say which labels");
    }
    Some(Checked::Selected { workloads: workloads.into_iter().collect::<Option<_>>()?, selector: selector? })
}

impl From<&Checked> for Restart {
    fn from(checked: &Checked) -> Self {
        let (policy, workloads, selector) = match checked {
            Checked::None => ("None", &[][..], None),
            Checked::Auto => ("Auto", &[][..], None),
            Checked::Selected { workloads, selector } => ("Selected", workloads.as_slice(), selector.as_ref()),
        };
        let workload = |w: &WorkloadRef| Workload { kind: w.kind.to_string(), name: w.name.to_string() };
        Self {
            policy: policy.to_owned(),
            workloads: workloads.iter().map(workload).collect(),
            selector: selector.map(Into::into),
        }
    }
}
