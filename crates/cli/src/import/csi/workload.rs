//! Pods, and what makes pods: whose volumes have which class.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::account::Account;
use super::super::object::Object;
use super::super::outcome::Outcome;

/// The driver, as volumes name it.
const DRIVER: &str = "secrets-store.csi.k8s.io";
/// Of a pod that says none.
const DEFAULT_ACCOUNT: &str = "default";

/// From a class, as namespace and name, to the service accounts of the pods that mount it.
#[derive(Debug, Default)]
pub(super) struct Mounters(BTreeMap<(String, String), BTreeSet<String>>);

impl Mounters {
    pub(super) fn find(objects: &[Object]) -> Self {
        let mut found = Self::default();
        for object in objects {
            let Some(pod) = pod_spec(object) else { continue };
            for class in classes(pod) {
                let class = (object.namespace.clone(), class.to_owned());
                found.0.entry(class).or_default().insert(account_of(pod).to_owned());
            }
        }
        found
    }

    /// Whose pods mount the class.
    pub(super) fn of(&self, class: &Object) -> BTreeSet<String> {
        self.0.get(&(class.namespace.clone(), class.name.clone())).cloned().unwrap_or_default()
    }
}

/// Whether it is, or makes, pods that mount a class.
pub(in super::super) fn mounts_classes(object: &Object) -> bool {
    pod_spec(object).is_some_and(|pod| classes(pod).next().is_some())
}

/// Read for the classes that are there; passed over if there is none.
pub(super) fn outcome(object: &Object, known: &BTreeSet<(String, String)>) -> Outcome {
    let Some(pod) = pod_spec(object) else { return Outcome::passed_over(object) };
    let is_known = |class: &&str| known.contains(&(object.namespace.clone(), (*class).to_owned()));
    let classes: BTreeSet<&str> = classes(pod).filter(is_known).collect();
    if classes.is_empty() {
        return Outcome::passed_over(object);
    }
    let why =
        format!("its pods mount {} as service account {}", classes.into_iter().collect::<Vec<_>>().join(", "), account_of(pod));
    let mut account = Account::new(object.value.clone());
    account.not_needed("/spec", "only whose pods mount which class is read; the volumes stay as they are");
    Outcome::read(object, why, account)
}

fn pod_spec(object: &Object) -> Option<&Value> {
    let place = match object.kind.as_str() {
        "Pod" => "/spec",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    };
    object.value.pointer(place)
}

fn classes(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod.pointer("/volumes").and_then(Value::as_array).into_iter().flatten();
    let of_driver = volumes.filter_map(|volume| volume.pointer("/csi")).filter(|csi| csi["driver"] == DRIVER);
    of_driver.filter_map(|csi| csi.pointer("/volumeAttributes/secretProviderClass").and_then(Value::as_str))
}

fn account_of(pod: &Value) -> &str {
    // The second is the first's old name, which the API server still writes beside it.
    let mut said = ["/serviceAccountName", "/serviceAccount"].into_iter().filter_map(|field| pod.pointer(field)?.as_str());
    said.find(|name| !name.is_empty()).unwrap_or(DEFAULT_ACCOUNT)
}
