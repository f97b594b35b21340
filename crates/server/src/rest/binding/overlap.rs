//! Two bindings do not deliver to one key of the same Secret, as far as that can be seen before any secret is read.
//!
//! What only content tells (an item that delivers all its keys), and what comes later (a namespace, a cluster's label), is for the
//! agent: there the older binding wins, and the younger reads `Conflict`.

use std::collections::BTreeSet;

use lockstep_api::binding::CheckedBinding;
use lockstep_core::binding::{BindingSpec, Mode, SecretTarget, Target};
use lockstep_core::cluster::{ClusterFacts, ClusterState};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::name::Namespace;
use lockstep_store::{PgConnection, binding, cluster, placement};

use crate::rest::code::Code;
use crate::rest::problem::ApiError;

/// Where two bindings meet.
#[derive(Debug, PartialEq, Eq)]
struct Overlap {
    namespace: Namespace,
    key: String,
}

/// Refuses a binding that delivers to a key that another one delivers to. `id` is its own, if it is registered.
///
/// The other one must be placed there: a project that no grant lets deliver to a Secret cannot keep it from another.
pub(super) async fn check(
    connection: &mut PgConnection,
    id: Option<BindingId>,
    checked: &CheckedBinding,
) -> Result<(), ApiError> {
    let Some(target) = written(&checked.spec) else { return Ok(()) };
    let mut others = binding::of_secret_name(connection, &target.name).await?;
    others.retain(|(_, other)| Some(other.id) != id);
    if others.is_empty() {
        return Ok(());
    }
    let clusters = cluster::facts(connection).await?;
    for (name, other) in others {
        let Some(Overlap { namespace, key }) = overlap(&checked.spec, &other.spec) else { continue };
        let placed = placement::placed(connection, other.id).await?;
        if let Some(cluster) = common_cluster(&checked.spec, &placed, &clusters) {
            let cluster = cluster::by_id(connection, cluster.id).await?.name;
            let detail = format!(
                "binding {name:?} delivers key {key:?} of Secret \"{}\" in namespace \"{namespace}\" of cluster {cluster:?} already: map \
                 it to another key in spec.items[].keys, choose another Secret, or take it out of that binding first",
                target.name
            );
            return Err(ApiError::new(Code::KeyTaken, detail));
        }
    }
    Ok(())
}

/// The Secret that a binding writes; one that only observes writes none.
fn written(spec: &BindingSpec) -> Option<&SecretTarget> {
    match (&spec.delivered.target, spec.delivered.mode) {
        (Target::Secret(target), Mode::Deliver) => Some(target),
        (Target::Secret(_), Mode::Observe) | (Target::Directory { .. } | Target::Csi(_), _) => None,
    }
}

/// The first namespace and key that both name.
fn overlap(one: &BindingSpec, other: &BindingSpec) -> Option<Overlap> {
    let (a, b) = (written(one)?, written(other)?);
    // The name of an immutable Secret has a hash of its content: what meets there says the same, and the agent lets both have it.
    if a.name != b.name || a.immutable || b.immutable {
        return None;
    }
    let namespace = a.namespaces.iter().find(|n| b.namespaces.contains(n))?;
    let keys: BTreeSet<&str> = one.delivered.named_keys().flatten().collect();
    let key = other.delivered.named_keys().flatten().find(|key| keys.contains(key))?;
    Some(Overlap { namespace: namespace.clone(), key: key.to_owned() })
}

fn common_cluster<'a>(
    spec: &BindingSpec,
    placed: &BTreeSet<ClusterId>,
    clusters: &'a [ClusterFacts],
) -> Option<&'a ClusterFacts> {
    let mut there = clusters.iter().filter(|c| c.state != ClusterState::Removing && placed.contains(&c.id));
    there.find(|c| spec.clusters.matches(&c.labels))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockstep_core::binding::{DeletionPolicy, Delivered, Item, SecretRef};
    use lockstep_core::engine::Engine;

    use super::*;

    /// A binding to these keys of Secret `db` in these namespaces; without keys, to all of its secret's.
    fn spec(namespaces: &[&str], keys: &[&str], change: impl FnOnce(&mut Delivered, &mut SecretTarget)) -> BindingSpec {
        let (source, mount) = ("corp".parse().unwrap(), "kv".parse().unwrap());
        let secret = SecretRef { source, engine: Engine::KvV2, mount, path: "a".parse().unwrap() };
        let item = Item {
            secret: secret.into(),
            keys: keys.iter().map(|k| (k.to_lowercase(), (*k).to_owned())).collect(),
            pin: None,
            base64: BTreeSet::new(),
        };
        let namespaces = namespaces.iter().map(|n| n.parse().unwrap()).collect();
        let mut target = SecretTarget::new("db".parse().unwrap(), namespaces);
        let mut delivered = Delivered::new(vec![item], Target::Secret(target.clone()));
        change(&mut delivered, &mut target);
        delivered.target = Target::Secret(target);
        BindingSpec { clusters: "".parse().unwrap(), delivered, deletion_policy: DeletionPolicy::Retain }
    }

    fn template(delivered: &mut Delivered, key: &str) {
        delivered.templates = BTreeMap::from([(key.to_owned(), String::new())]);
    }

    #[test]
    fn bindings_meet_where_they_name_the_same_key_of_the_same_secret() {
        let one = spec(&["a", "b"], &["USER", "PASSWORD"], |_, _| ());
        for (case, other, want) in [
            ("the same key", spec(&["b"], &["PASSWORD", "HOST"], |_, _| ()), Some(("b", "PASSWORD"))),
            ("a template's key", spec(&["a"], &["HOST"], |d, _| template(d, "USER")), Some(("a", "USER"))),
            ("other keys", spec(&["a", "b"], &["HOST"], |_, _| ()), None),
            ("other namespaces", spec(&["c"], &["USER"], |_, _| ()), None),
            ("keys that cannot be seen", spec(&["a"], &[], |_, _| ()), None),
            ("another Secret", spec(&["a"], &["USER"], |_, t| t.name = "other".parse().unwrap()), None),
            ("a Secret of its own", spec(&["a"], &["USER"], |_, t| t.immutable = true), None),
            ("it only observes", spec(&["a"], &["USER"], |d, _| d.mode = Mode::Observe), None),
            (
                "a key that is not delivered",
                spec(&["a"], &["USER"], |d, _| {
                    template(d, "URL");
                    d.templates_only = true;
                }),
                None,
            ),
        ] {
            let found = overlap(&one, &other).map(|o| (o.namespace.to_string(), o.key));
            assert_eq!(found, want.map(|(n, k)| (n.to_owned(), k.to_owned())), "{case}");
        }
    }
}
