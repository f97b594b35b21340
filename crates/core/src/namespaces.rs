//! In which namespaces of a cluster a binding may deliver, where its target selects them by label.
//!
//! Which namespaces a cluster has is known to its agent only. So the planner answers with the rule, and the agent follows it.

use serde::{Deserialize, Serialize};

use crate::glob::Glob;
use crate::name::Namespace;

/// The rule: for each secret of the binding the globs of those grants that allow it in the cluster. A namespace is allowed if each secret
/// is allowed there, so if it matches a glob of every list.
///
/// In normal form, so that grants which mean the same give the same rule: the planner's answer changes only if the rule does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<Glob>>")]
pub struct AllowedNamespaces(Vec<Vec<Glob>>);

impl AllowedNamespaces {
    /// Whether content may be delivered there. Without any list nothing is allowed: default deny.
    pub fn allows(&self, namespace: &Namespace) -> bool {
        !self.0.is_empty() && self.0.iter().all(|globs| globs.iter().any(|g| g.matches(namespace.as_str())))
    }

    /// Whether no namespace can be allowed.
    pub fn is_none(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(Vec::is_empty)
    }

    /// The lists.
    pub fn lists(&self) -> &[Vec<Glob>] {
        &self.0
    }
}

impl From<Vec<Vec<Glob>>> for AllowedNamespaces {
    fn from(lists: Vec<Vec<Glob>>) -> Self {
        let mut normal: Vec<Vec<Glob>> = lists.into_iter().map(normal).collect();
        normal.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        // A list that has all the globs of another asks for nothing more than that one; the shorter come first.
        let mut needed: Vec<Vec<Glob>> = Vec::new();
        for list in normal {
            if !needed.iter().any(|n| n.iter().all(|glob| list.contains(glob))) {
                needed.push(list);
            }
        }
        if needed.len() > 1 {
            needed.retain(|list| !list.iter().any(matches_all));
        }
        Self(needed)
    }
}

/// A namespace has no `/`, so either star matches every one.
fn matches_all(glob: &Glob) -> bool {
    matches!(glob.as_str(), "*" | "**")
}

fn normal(mut list: Vec<Glob>) -> Vec<Glob> {
    if list.iter().any(matches_all) {
        return vec![Glob::everything()];
    }
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(lists: &[&[&str]]) -> AllowedNamespaces {
        lists.iter().map(|l| l.iter().map(|g| g.parse().unwrap()).collect()).collect::<Vec<_>>().into()
    }

    #[test]
    fn a_namespace_must_match_a_glob_of_every_list() {
        for (lists, namespace, want) in [
            (&[][..], "a-1", false),
            (&[&[][..]][..], "a-1", false),
            (&[&["a-*"][..]][..], "a-1", true),
            (&[&["a-*"][..]][..], "b-1", false),
            (&[&["a-*", "b-*"][..]][..], "b-1", true),
            (&[&["a-*", "b-*"][..], &["b-*"][..]][..], "a-1", false),
            (&[&["a-*", "b-*"][..], &["*-1"][..]][..], "a-1", true),
            (&[&["a-*", "b-*"][..], &["*-1"][..]][..], "a-2", false),
            (&[&["**"][..], &["a-*"][..]][..], "a-2", true),
            (&[&["**"][..], &["a-*"][..]][..], "b-2", false),
            (&[&["a-*"][..], &[][..]][..], "a-1", false),
        ] {
            assert_eq!(rule(lists).allows(&namespace.parse().unwrap()), want, "{lists:?} {namespace}");
        }
    }

    #[test]
    fn what_means_the_same_is_the_same_rule() {
        for (one, other) in [
            (&[&["a", "b"][..]][..], &[&["b", "a", "a"][..]][..]),
            (&[&["a"][..], &["b", "c"][..]][..], &[&["c", "b"][..], &["a"][..]][..]),
            (&[&["a"][..], &["a", "b"][..], &["a"][..]][..], &[&["a"][..]][..]),
            (&[&["**"][..], &["a"][..]][..], &[&["a"][..]][..]),
            (&[&["a", "**"][..]][..], &[&["**"][..]][..]),
            (&[&["*"][..], &["**"][..]][..], &[&["**"][..]][..]),
        ] {
            assert_eq!(rule(one), rule(other));
        }
        assert_ne!(rule(&[&["a", "b"]]), rule(&[&["a"], &["b"]]));
        let stored = serde_json::to_value(rule(&[&["b", "a"], &["c"]])).unwrap();
        assert_eq!(stored, serde_json::json!([["c"], ["a", "b"]]));
        assert_eq!(serde_json::from_value::<AllowedNamespaces>(stored).unwrap(), rule(&[&["a", "b"], &["c"]]));
        assert!(rule(&[]).is_none() && rule(&[&["a"], &[]]).is_none() && !rule(&[&["a"]]).is_none());
    }

    proptest::proptest! {
        #[test]
        fn the_normal_form_allows_what_the_lists_allow(
            lists in proptest::collection::vec(proptest::collection::vec("[ab*]{1,2}", 0..4), 0..4),
            namespace in "[ab]{1,2}",
        ) {
            let lists: Vec<Vec<Glob>> = lists.iter().map(|l| l.iter().map(|g| g.parse().unwrap()).collect()).collect();
            let plain = !lists.is_empty() && lists.iter().all(|l| l.iter().any(|g| g.matches(&namespace)));
            proptest::prop_assert_eq!(AllowedNamespaces::from(lists).allows(&namespace.parse().unwrap()), plain);
        }
    }
}
