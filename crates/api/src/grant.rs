//! Grants: an administrator's leave for a project.

use lockstep_core::grant::{GrantSpec as Checked, GrantedPaths as CheckedPaths, RULES_MAX};
use lockstep_core::name::ProjectName;
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::Manifest;
use crate::selector::Selector;

/// A grant's manifest.
pub type Grant = Manifest<GrantSpec, GrantStatus>;

/// Who may deliver what to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantSpec {
    /// Who.
    pub project: String,
    /// What.
    pub paths: Vec<GrantedPaths>,
    /// Where.
    pub clusters: Selector,
    /// Where: globs over namespaces. Targets without a namespace are not limited by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}

/// Paths of one mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantedPaths {
    /// A source's name.
    pub source: String,
    /// A mount.
    pub mount: String,
    /// `*` stops at `/`, `**` does not.
    pub globs: Vec<String>,
}

/// How a grant is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantStatus {
    /// How many clusters its selector matches now.
    pub clusters: u64,
}

/// A grant as written, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedGrant {
    /// Who.
    pub project: ProjectName,
    /// What and where.
    pub spec: Checked,
}

impl TryFrom<&GrantSpec> for CheckedGrant {
    type Error = Vec<FieldError>;
    fn try_from(wire: &GrantSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let project = mistakes.parse("spec.project", &wire.project);
        mistakes.count("spec.paths", wire.paths.len(), RULES_MAX);
        let paths: Vec<Option<CheckedPaths>> = wire
            .paths
            .iter()
            .enumerate()
            .map(|(i, paths)| check_paths(paths, &format!("spec.paths[{i}]"), &mut mistakes))
            .collect();
        let clusters = wire.clusters.check("spec.clusters", &mut mistakes);
        if wire.namespaces.len() > RULES_MAX {
            mistakes.count("spec.namespaces", wire.namespaces.len(), RULES_MAX);
        }
        let namespaces: Vec<_> =
            wire.namespaces.iter().enumerate().map(|(i, glob)| mistakes.parse(format!("spec.namespaces[{i}]"), glob)).collect();
        let checked = || {
            let spec = Checked {
                paths: paths.into_iter().collect::<Option<_>>()?,
                clusters: clusters?,
                namespaces: namespaces.into_iter().collect::<Option<_>>()?,
            };
            Some(Self { project: project?, spec })
        };
        mistakes.finish(checked())
    }
}

fn check_paths(wire: &GrantedPaths, field: &str, mistakes: &mut Mistakes) -> Option<CheckedPaths> {
    let source = mistakes.parse(format!("{field}.source"), &wire.source);
    let mount = mistakes.parse(format!("{field}.mount"), &wire.mount);
    mistakes.count(&format!("{field}.globs"), wire.globs.len(), RULES_MAX);
    let globs: Vec<_> = wire.globs.iter().enumerate().map(|(i, g)| mistakes.parse(format!("{field}.globs[{i}]"), g)).collect();
    Some(CheckedPaths { source: source?, mount: mount?, globs: globs.into_iter().collect::<Option<_>>()? })
}

impl From<&CheckedGrant> for GrantSpec {
    fn from(checked: &CheckedGrant) -> Self {
        let paths = checked.spec.paths.iter().map(|p| GrantedPaths {
            source: p.source.to_string(),
            mount: p.mount.to_string(),
            globs: p.globs.iter().map(ToString::to_string).collect(),
        });
        Self {
            project: checked.project.to_string(),
            paths: paths.collect(),
            clusters: (&checked.spec.clusters).into(),
            namespaces: checked.spec.namespaces.iter().map(ToString::to_string).collect(),
        }
    }
}
