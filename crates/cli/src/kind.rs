//! The kinds of things the server lists, and the words people use for them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What a manifest describes. In the order they are applied: each may need those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Registered {
    Project,
    Source,
    Cluster,
    Grant,
    Binding,
    RoleAssignment,
    Rotation,
    MaintenanceWindow,
}

/// Everything that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Has a name, a manifest and labels.
    Registered(Registered),
    Secret,
    Placement,
    Delivery,
    Change,
    Token,
    Refusal,
}

/// A word that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum KindError {
    /// Nothing is called so.
    #[error("{0:?} is not a kind: use {list}", list = listed(Kind::ALL))]
    Unknown(String),
    /// It is listed, but nobody writes it.
    #[error("{0} are not written by anybody: use {list}", list = listed(Registered::ALL.map(Kind::Registered)))]
    ReadOnly(Kind),
}

impl Registered {
    /// All of them, in the order they are applied.
    pub(crate) const ALL: [Self; 8] = [
        Self::Project,
        Self::Source,
        Self::Cluster,
        Self::Grant,
        Self::Binding,
        Self::RoleAssignment,
        Self::Rotation,
        Self::MaintenanceWindow,
    ];

    /// A manifest's `kind`.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Source => "Source",
            Self::Cluster => "Cluster",
            Self::Grant => "Grant",
            Self::Binding => "Binding",
            Self::RoleAssignment => "RoleAssignment",
            Self::Rotation => "Rotation",
            Self::MaintenanceWindow => "MaintenanceWindow",
        }
    }

    /// The kind with this `title`, which is case-sensitive, as in Kubernetes.
    pub(crate) fn of_title(title: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.title() == title)
    }

    /// The conditions that its status has.
    pub(crate) const fn conditions(self) -> &'static [&'static str] {
        match self {
            Self::Cluster => &["Ready", "Purged"],
            Self::Source => &["Ready"],
            Self::Binding => &["InSync"],
            Self::Rotation => &["OnTime"],
            Self::Project | Self::Grant | Self::RoleAssignment | Self::MaintenanceWindow => &[],
        }
    }

    /// As in `binding/checkout-db`.
    pub(crate) const fn singular(self) -> &'static str {
        Kind::Registered(self).words().0
    }

    /// As in the path `/v1/bindings`.
    pub(crate) const fn plural(self) -> &'static str {
        Kind::Registered(self).words().1
    }
}

impl Kind {
    /// All of them, in the order that help shows.
    pub(crate) const ALL: [Self; 14] = [
        Self::Registered(Registered::Project),
        Self::Registered(Registered::Cluster),
        Self::Registered(Registered::Source),
        Self::Registered(Registered::Grant),
        Self::Registered(Registered::Binding),
        Self::Registered(Registered::RoleAssignment),
        Self::Registered(Registered::Rotation),
        Self::Registered(Registered::MaintenanceWindow),
        Self::Secret,
        Self::Placement,
        Self::Delivery,
        Self::Change,
        Self::Token,
        Self::Refusal,
    ];

    /// As a manifest's `kind`.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Registered(kind) => kind.title(),
            Self::Secret => "Secret",
            Self::Placement => "Placement",
            Self::Delivery => "Delivery",
            Self::Change => "Change",
            Self::Token => "Token",
            Self::Refusal => "Refusal",
        }
    }

    /// Singular, plural and short.
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Registered(Registered::Project) => ("project", "projects", "prj"),
            Self::Registered(Registered::Cluster) => ("cluster", "clusters", "cl"),
            Self::Registered(Registered::Source) => ("source", "sources", "src"),
            Self::Registered(Registered::Grant) => ("grant", "grants", "gr"),
            Self::Registered(Registered::Binding) => ("binding", "bindings", "bd"),
            Self::Registered(Registered::RoleAssignment) => ("roleassignment", "roleassignments", "ra"),
            Self::Registered(Registered::Rotation) => ("rotation", "rotations", "rot"),
            Self::Registered(Registered::MaintenanceWindow) => ("maintenancewindow", "maintenancewindows", "mw"),
            Self::Secret => ("secret", "secrets", "sec"),
            Self::Placement => ("placement", "placements", "pl"),
            Self::Delivery => ("delivery", "deliveries", "dl"),
            Self::Change => ("change", "changes", "ch"),
            Self::Token => ("token", "tokens", "tok"),
            Self::Refusal => ("refusal", "refusals", "ref"),
        }
    }

    /// As in `binding/checkout-db`.
    pub(crate) const fn singular(self) -> &'static str {
        self.words().0
    }

    /// As in the path `/v1/bindings`.
    pub(crate) const fn plural(self) -> &'static str {
        self.words().1
    }
}

fn listed(kinds: impl IntoIterator<Item = Kind>) -> String {
    kinds.into_iter().map(|kind| format!("{} ({})", kind.plural(), kind.words().2)).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural())
    }
}

impl FromStr for Kind {
    type Err = KindError;
    fn from_str(text: &str) -> Result<Self, KindError> {
        let word = text.to_ascii_lowercase();
        let named = |kind: &Self| {
            let (singular, plural, short) = kind.words();
            [singular, plural, short].contains(&word.as_str())
        };
        Self::ALL.into_iter().find(named).ok_or_else(|| KindError::Unknown(text.to_owned()))
    }
}

impl FromStr for Registered {
    type Err = KindError;
    fn from_str(text: &str) -> Result<Self, KindError> {
        match text.parse()? {
            Kind::Registered(kind) => Ok(kind),
            other => Err(KindError::ReadOnly(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_plural_and_short_words_name_the_same_kind() {
        for kind in Kind::ALL {
            let (singular, plural, short) = kind.words();
            for word in [singular, plural, short, &singular.to_uppercase()] {
                assert_eq!(word.parse::<Kind>(), Ok(kind), "{word}");
            }
        }
    }

    #[test]
    fn no_word_names_two_kinds() {
        let mut words: Vec<_> = Kind::ALL.into_iter().flat_map(|kind| <[_; 3]>::from(kind.words())).collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
    }

    #[test]
    fn an_unknown_kind_names_those_there_are() {
        let message = "pods".parse::<Kind>().unwrap_err().to_string();
        assert!(message.starts_with("\"pods\" is not a kind: use projects (prj), clusters (cl)"), "{message}");
        let message = "deliveries".parse::<Registered>().unwrap_err().to_string();
        assert!(message.starts_with("deliveries are not written by anybody"), "{message}");
    }

    #[test]
    fn what_is_applied_first_comes_first() {
        assert!(Registered::ALL.is_sorted());
    }
}
