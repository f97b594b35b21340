//! Where the programs of Kubernetes are.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::executable;
use crate::fetch::{self, GoTool};

const KUBERNETES: (&str, &str) = (include_str!("../../tools/kubernetes/go.mod"), include_str!("../../tools/kubernetes/go.sum"));
/// A module's build does not know its version, and clients look at `/version`.
const KUBERNETES_VERSION: [&str; 3] = [
    "k8s.io/component-base/version.gitVersion=v1.37.2",
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=37",
];

pub(crate) const APISERVER: GoTool = GoTool {
    name: "kube-apiserver",
    folder: "kubernetes-1.37.2",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    definitions: &KUBERNETES_VERSION,
    module: KUBERNETES,
    files: &[],
    takes: "5 minutes",
};
pub(crate) const CONTROLLER_MANAGER: GoTool = GoTool {
    name: "kube-controller-manager",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    takes: "2 minutes",
    ..APISERVER
};
pub(crate) const ETCD: GoTool = GoTool {
    name: "etcd",
    folder: "etcd-3.7.0",
    package: "go.etcd.io/etcd/server/v3",
    definitions: &[],
    module: (include_str!("../../tools/etcd/go.mod"), include_str!("../../tools/etcd/go.sum")),
    files: &[],
    takes: "1 minute",
};
pub(crate) const KWOK: GoTool = GoTool {
    name: "kwok",
    folder: "kwok-0.8.0",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    definitions: &[],
    module: (include_str!("../../tools/kwok/go.mod"), include_str!("../../tools/kwok/go.sum")),
    files: &[],
    takes: "2 minutes",
};

/// In the folder that `KUBEBUILDER_ASSETS` names, on PATH, in the cache, or built. One that is on PATH must have run.
pub(crate) fn program(tool: &GoTool) -> Result<PathBuf> {
    let asset = env::var_os("KUBEBUILDER_ASSETS").map(|folder| PathBuf::from(folder).join(tool.name));
    if let Some(asset) = asset.filter(|file| executable::is_executable(file)) {
        return Ok(asset);
    }
    match executable::on_path(tool.name).filter(|file| executable::version(file, "--version").is_some()) {
        Some(file) => Ok(file),
        None => fetch::go_tool(tool),
    }
}
