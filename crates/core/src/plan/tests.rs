//! The property that everything else leans on: a revision grows exactly when the content that a cluster should hold changes.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::binding::tests::{item, spec};
use crate::binding::{BindingSpec, Delivered, Item, SecretTarget, Target};
use crate::cluster::{ClusterFacts, ClusterState};
use crate::digest::DigestKeyId;
use crate::grant::Grant;
use crate::grant::tests::grant;
use crate::id::ClusterId;
use crate::label::Labels;
use crate::placement::replan;
use crate::version::tests::{at, live};
use crate::version::{Began, CurrentVersion, Observation, Seen, Verdict, VersionNumber, observe};

/// A registry in memory: the same rules in the same order as the store applies them, one seq for each change.
struct Registry {
    seq: u64,
    binding: Option<Binding>,
    last_policy: DeletionPolicy,
    grants: Vec<Grant>,
    clusters: Vec<ClusterFacts>,
    /// `a`, `b`, and `c/NAME` of each cluster.
    secrets: Vec<Known>,
    placements: BTreeMap<ClusterId, (Placement, Seq)>,
}

#[derive(Debug, Clone)]
enum Op {
    Label(usize, bool),
    State(usize, u8),
    /// For each path whether it is granted, and where: to namespaces `a-*`, `b-*` or both, or everywhere. What differs by cluster is always.
    Grant([Option<u8>; 2]),
    /// Whether the target is a Secret in namespaces that a label selects.
    SelectNamespaces(bool),
    Select(bool),
    Items(u8),
    Pin(u8),
    SourcePolicy(bool),
    DeletionPolicy(bool),
    DeleteBinding,
    Observe(usize, i64, u64, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..3_usize, any::<bool>()).prop_map(|(c, l)| Op::Label(c, l)),
        (0..3_usize, 0..4_u8).prop_map(|(c, s)| Op::State(c, s)),
        prop::array::uniform2(prop::option::weighted(0.7, 0..5_u8)).prop_map(Op::Grant),
        prop::bool::weighted(0.7).prop_map(Op::SelectNamespaces),
        any::<bool>().prop_map(Op::Select),
        (1..8_u8).prop_map(Op::Items),
        (0..3_u8).prop_map(Op::Pin),
        any::<bool>().prop_map(Op::SourcePolicy),
        any::<bool>().prop_map(Op::DeletionPolicy),
        Just(Op::DeleteBinding),
        (0..5_usize, 0..3_i64, 1..5_u64, 0..4_u8).prop_map(|(s, i, n, k)| Op::Observe(s, i, n, k)),
        (0..5_usize, 0..3_i64, 1..5_u64, 0..4_u8).prop_map(|(s, i, n, k)| Op::Observe(s, i, n, k)),
    ]
}

fn labels(prod: bool) -> Labels {
    Labels::try_from(BTreeMap::from([("env".to_owned(), if prod { "prod" } else { "dev" }.to_owned())])).unwrap()
}

/// What a grant may say of namespaces; the last two mean the same, and so do the third and fourth.
const NAMESPACES: [&[&str]; 5] = [&["a-*"], &["b-*"], &["a-*", "b-*"], &["b-*", "a-*", "b-*"], &["a-*", "**"]];

fn policy(delete: bool) -> DeletionPolicy {
    if delete { DeletionPolicy::Delete } else { DeletionPolicy::Retain }
}

impl Registry {
    fn new() -> Self {
        let clusters = (0..3).map(|i| ClusterFacts {
            id: Uuid::from_u128(i + 1).into(),
            name: format!("c{i}").parse().unwrap(),
            labels: labels(true),
            state: ClusterState::Active,
        });
        Self {
            seq: 0,
            binding: None,
            last_policy: DeletionPolicy::Retain,
            grants: Vec::new(),
            clusters: clusters.collect(),
            secrets: vec![Known::default(); 5],
            placements: BTreeMap::new(),
        }
    }

    fn project() -> crate::id::ProjectId {
        Uuid::from_u128(99).into()
    }

    fn respecify(&mut self, change: impl FnOnce(&mut BindingSpec)) {
        let mut new = self.binding.as_ref().map_or_else(|| spec(vec![item("a", &[])], "env=prod"), |b| b.spec.clone());
        change(&mut new);
        let seq = Seq::new(self.seq);
        self.last_policy = new.deletion_policy;
        if let Some(binding) = &mut self.binding {
            binding.respecify(new, seq);
        } else {
            self.binding = Some(Binding { id: Uuid::from_u128(50).into(), project: Self::project(), spec: new, spec_seq: seq });
        }
    }

    fn apply(&mut self, op: &Op) {
        self.seq += 1;
        let seq = Seq::new(self.seq);
        match op {
            Op::Label(c, prod) => self.clusters[*c].labels = labels(*prod),
            Op::State(c, s) => {
                self.clusters[*c].state =
                    [ClusterState::Active, ClusterState::Paused, ClusterState::Revoked, ClusterState::Removing][usize::from(*s)];
            }
            Op::Grant(granted) => {
                self.grants = vec![grant(Self::project(), "c/*", "", "**")];
                for (path, namespaces) in ["a", "b"].into_iter().zip(granted) {
                    let globs = namespaces.map_or(&[][..], |n| NAMESPACES[usize::from(n)]);
                    self.grants.extend(globs.iter().map(|glob| grant(Self::project(), path, "", glob)));
                }
            }
            Op::SelectNamespaces(select) => self.respecify(|s| {
                let target = SecretTarget::new("out".parse().unwrap(), Vec::new());
                let selector = select.then(|| "team".parse().unwrap());
                s.delivered.target = Target::Secret(SecretTarget { namespace_selector: selector, ..target });
            }),
            Op::Select(prod) => self.respecify(|s| s.clusters = if *prod { "env=prod" } else { "env" }.parse().unwrap()),
            Op::Items(mask) => self.respecify(|s| {
                let paths = [("a", 1), ("b", 2), ("c/{cluster}", 4)].into_iter().filter(|(_, bit)| mask & bit != 0);
                s.delivered.items = paths.map(|(p, _)| item(p, &[])).collect();
            }),
            Op::Pin(n) => self.respecify(|s| s.delivered.items[0].pin = VersionNumber::new(u64::from(*n))),
            Op::SourcePolicy(delete) => self.respecify(|s| s.delivered.source_deletion_policy = policy(*delete)),
            Op::DeletionPolicy(delete) => self.respecify(|s| s.deletion_policy = policy(*delete)),
            Op::DeleteBinding => self.binding = None,
            Op::Observe(s, incarnation, number, kind) => self.observe(*s, *incarnation, *number, *kind),
        }
        let recorded = self.placements.iter().map(|(c, (p, _))| (*c, p.clone())).collect();
        let changed = replan(&recorded, self.binding.as_ref().ok_or(self.last_policy), self.clusters.iter(), &self.grants);
        self.placements.extend(changed.into_iter().map(|(c, p)| (c, (p, seq))));
    }

    fn observe(&mut self, secret: usize, incarnation: i64, number: u64, kind: u8) {
        let current = live(incarnation * 100, number);
        let seen = match kind {
            0 => Seen::Current(CurrentVersion { deletion_time: Some(at(1)), ..current }),
            1 => Seen::Nothing,
            _ => Seen::Current(current),
        };
        let began = Began { token: 1, ordinal: self.seq };
        let known = &mut self.secrets[secret];
        if let Verdict::Changed(change) = observe(known, &Observation { began, at: at(1_000), confirmed: true, seen }) {
            known.apply(&change, Seq::new(self.seq));
        }
    }

    /// Where each item's secret is in this cluster.
    fn drawn(&self, cluster: ClusterId) -> Vec<usize> {
        let items = self.binding.iter().flat_map(|b| &b.spec.delivered.items);
        let of = |item: &Item| match item.secret.path() {
            "a" => 0,
            "b" => 1,
            _ => 2 + self.clusters.iter().position(|c| c.id == cluster).unwrap(),
        };
        items.map(of).collect()
    }

    fn desired(&self) -> BTreeMap<ClusterId, Desired> {
        let one = |(c, (p, s)): (&ClusterId, &(Placement, Seq))| {
            let secrets: Vec<&Known> = self.drawn(*c).into_iter().map(|i| &self.secrets[i]).collect();
            (*c, desired(Epoch::new(1), p, *s, self.binding.as_ref(), &secrets))
        };
        self.placements.iter().map(one).collect()
    }

    /// An answer by what it means, worked out from the grants and not from the rule that the planner wrote.
    fn answer(&self, placement: &Placement) -> String {
        let (Placement::PlacedWithin(_), Some(binding)) = (placement, &self.binding) else { return format!("{placement:?}") };
        let paths: Vec<&str> = binding.spec.delivered.items.iter().map(|i| i.secret.path()).collect();
        let granted = |path: &str, namespace: &str| {
            let of_path = self.grants.iter().filter(|g| g.spec.paths[0].globs[0].matches(path));
            of_path.flat_map(|g| &g.spec.namespaces).any(|glob| glob.matches(namespace))
        };
        let allowed = ["a-1", "b-1", "c"].map(|n| paths.iter().all(|path| granted(path, n)));
        format!("placed within {allowed:?}")
    }

    /// What a cluster should hold, said without any seq.
    fn content(&self) -> BTreeMap<ClusterId, Content> {
        let one = |(c, (p, _)): (&ClusterId, &(Placement, Seq))| {
            let spec = match (p, &self.binding) {
                (Placement::Removed(_), _) | (_, None) => None,
                // Of no version: nothing is sent.
                (Placement::Denied(_), Some(b)) => Some((b.spec.delivered.clone(), Vec::new())),
                (_, Some(b)) => {
                    let items = b.spec.delivered.items.iter().zip(self.drawn(*c));
                    let choice = items.map(|(i, s)| choose(i, b.spec.delivered.source_deletion_policy, &self.secrets[s]).0);
                    Some((b.spec.delivered.clone(), choice.collect()))
                }
            };
            (*c, (self.answer(p), spec))
        };
        self.placements.iter().map(one).collect()
    }
}

/// The answer and, where the target selects namespaces, which of some are allowed; what is placed, and from what.
type Content = (String, Option<(Delivered, Vec<Choice>)>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_revision_grows_exactly_when_content_changes(ops in prop::collection::vec(op(), 1..60)) {
        let mut registry = Registry::new();
        for op in &ops {
            let (content, before) = (registry.content(), registry.desired());
            registry.apply(op);
            let (new_content, after) = (registry.content(), registry.desired());
            for (cluster, desired) in &after {
                let Some(old) = before.get(cluster) else { continue };
                if content[cluster] == new_content[cluster] {
                    prop_assert_eq!(desired.revision, old.revision, "unchanged content, {:?}", op);
                } else {
                    prop_assert!(desired.revision > old.revision, "{:?}: {:?} -> {:?}", op, content[cluster], new_content[cluster]);
                }
            }
        }
    }
}

fn reported(seq: u64, digest: Option<(&str, u8)>) -> Reported {
    Reported {
        revision: Revision { epoch: Epoch::new(1), seq: Seq::new(seq) },
        digest: digest.map(|(key, byte)| Digest { key: DigestKeyId::new(key.to_owned()), hmac: [byte; 32] }),
    }
}

#[test]
fn a_cluster_is_sent_what_it_lacks_and_nothing_else() {
    let id: BindingId = Uuid::from_u128(1).into();
    let want =
        |seq, want| BTreeMap::from([(id, Desired { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }, want })]);
    let content = || Want::Content(Vec::new());
    let none = BTreeMap::new;
    let one = |r| BTreeMap::from([(id, r)]);
    let (a, b, other_key) = (Some(("k", 1)), Some(("k", 2)), Some(("l", 3)));
    for (case, desired, held, acked, put, delete) in [
        ("new", want(5, content()), none(), none(), true, false),
        ("in step", want(5, content()), one(reported(5, a)), one(reported(5, a)), false, false),
        ("older", want(5, content()), one(reported(4, a)), one(reported(4, a)), true, false),
        ("edited in the cluster", want(5, content()), one(reported(5, b)), one(reported(5, a)), true, false),
        (
            "digest under another key: unknown, not changed",
            want(5, content()),
            one(reported(5, other_key)),
            one(reported(5, a)),
            false,
            false,
        ),
        ("ack was lost", want(5, content()), one(reported(5, a)), none(), true, false),
        ("tombstone", want(5, Want::Remove(DeletionPolicy::Delete)), one(reported(4, a)), none(), false, true),
        ("tombstone done", want(5, Want::Remove(DeletionPolicy::Delete)), one(reported(5, None)), none(), false, false),
        ("denied: keeps what it has", want(5, Want::Withhold(Withheld::Denied)), one(reported(4, a)), none(), false, false),
    ] {
        let difference = diff(&desired, &held, &acked);
        assert_eq!((difference.put.len() == 1, difference.delete.len() == 1), (put, delete), "{case}");
        assert!(!difference.history_cut, "{case}");
    }
}

#[test]
fn a_registry_that_went_back_sends_nothing_and_an_unknown_binding_is_never_deleted() {
    let (known, unknown): (BindingId, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let desired = BTreeMap::from([(
        known,
        Desired { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(5) }, want: Want::Content(Vec::new()) },
    )]);
    let held = BTreeMap::from([(known, reported(6, Some(("k", 1)))), (unknown, reported(3, Some(("k", 1))))]);
    let difference = diff(&desired, &held, &BTreeMap::new());
    assert!(difference.history_cut && difference.put.is_empty() && difference.delete.is_empty());
    assert_eq!(difference.unknown, [unknown]);
}

#[test]
fn a_grants_namespaces_move_a_target_that_selects_them_and_no_other() {
    for (selects, moved) in [(true, true), (false, false)] {
        let mut registry = Registry::new();
        registry.apply(&Op::Items(1));
        registry.apply(&Op::SelectNamespaces(selects));
        registry.apply(&Op::Grant([Some(0), None]));
        let before = registry.desired();
        registry.apply(&Op::Grant([Some(2), None]));
        let wider = registry.desired();
        assert_eq!(wider.iter().all(|(cluster, d)| d.revision > before[cluster].revision), moved);
        registry.apply(&Op::Grant([Some(3), None]));
        assert_eq!(registry.desired(), wider, "the same, said otherwise");
        let within = |p: &Placement| matches!(p, Placement::PlacedWithin(_));
        assert_eq!(registry.placements.values().all(|(p, _)| within(p)), moved);
    }
}

#[test]
fn an_item_whose_secret_is_not_known_in_a_cluster_is_waited_for_and_never_taken_for_gone() {
    let mut spec = spec(vec![item("a", &[]), item("c/{cluster}", &[])], "");
    spec.delivered.source_deletion_policy = DeletionPolicy::Delete;
    let project = Registry::project();
    let binding = Binding { id: Uuid::from_u128(50).into(), project, spec, spec_seq: Seq::new(1) };
    let mut gone = Known::default();
    for (number, kind) in [(1, Seen::Current(live(100, 1))), (2, Seen::Nothing)] {
        let began = Began { token: 1, ordinal: number };
        if let Verdict::Changed(change) = observe(&gone, &Observation { began, at: at(1_000), confirmed: true, seen: kind }) {
            gone.apply(&change, Seq::new(number));
        }
    }
    for (known, want) in [
        (&[][..], Want::Withhold(Withheld::Nothing)),
        (&[&gone], Want::Withhold(Withheld::Nothing)),
        (&[&gone, &gone], Want::Remove(DeletionPolicy::Delete)),
    ] {
        assert_eq!(desired(Epoch::new(1), &Placement::Placed, Seq::new(1), Some(&binding), known).want, want, "{}", known.len());
    }
}
