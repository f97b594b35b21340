//! The charts in `deploy/charts`, rendered and checked by Helm.

mod agent_rbac;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::checkout;
use crate::fetch::{self, GoTool};

pub use agent_rbac::install_agent_rbac;

/// A module's build knows neither its own version nor that of the Kubernetes it is for, which charts ask for.
const DEFINITIONS: [&str; 5] = [
    "helm.sh/helm/v3/internal/version.version=v3.22.0",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37",
];

const HELM: GoTool = GoTool {
    name: "helm",
    folder: "helm-3.22.0",
    package: "helm.sh/helm/v3/cmd/helm",
    definitions: &DEFINITIONS,
    module: (include_str!("../tools/helm/go.mod"), include_str!("../tools/helm/go.sum")),
    files: &[],
    takes: "2 minutes",
};

/// Our charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// `lockstep-server`.
    Server,
    /// `lockstep-agent`.
    Agent,
}

impl Chart {
    /// Its name, which is its folder's too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "lockstep-server",
            Self::Agent => "lockstep-agent",
        }
    }

    /// Where it is.
    pub fn folder(self) -> Result<PathBuf> {
        checkout::find(Path::new("deploy/charts").join(self.name()))
    }

    /// What `helm template` prints for a release of the chart's own name.
    pub fn render(self, namespace: &str, values: &Value) -> Result<String> {
        let folder = self.folder()?;
        let arguments = ["template", self.name(), "--namespace", namespace, "--values", "-"];
        let output = run(Command::new(helm()?).args(arguments).arg(folder), values)?;
        if !output.status.success() {
            bail!("helm cannot render {}: {}", self.name(), String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("reading what helm rendered")
    }

    /// The objects that Helm would install.
    pub fn objects(self, namespace: &str, values: &Value) -> Result<Vec<Value>> {
        objects(&self.render(namespace, values)?).with_context(|| format!("what helm rendered of {}", self.name()))
    }

    /// What `helm lint --strict` says; an error if it finds anything but what is for information.
    pub fn lint(self, values: &Value) -> Result<String> {
        let folder = self.folder()?;
        let output = run(Command::new(helm()?).args(["lint", "--strict", "--values", "-"]).arg(folder), values)?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "helm lint {}: {said}", self.name());
        Ok(said)
    }
}

/// Helm, from the cache, or built. Not one from PATH: what is rendered is compared byte by byte.
pub fn helm() -> Result<PathBuf> {
    fetch::go_tool(&HELM)
}

/// The objects of a file of manifests.
pub fn objects(manifests: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).context("not valid YAML")?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Runs Helm with values on its standard input. JSON is YAML.
fn run(command: &mut Command, values: &Value) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("running helm")?;
    let mut input = child.stdin.take().context("helm has no standard input")?;
    input.write_all(values.to_string().as_bytes()).context("giving values to helm")?;
    drop(input);
    child.wait_with_output().context("waiting for helm")
}
