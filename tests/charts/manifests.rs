//! `deploy/manifests`: what the charts render, checked in for those who do not use Helm.

use anyhow::{Context as _, Result};
use lockstep_testbed::charts::Chart;

use crate::cases::{CHARTS, example, root};

const NAMESPACE: &str = "lockstep";

#[test]
fn the_plain_manifests_are_what_the_charts_render() -> Result<()> {
    for chart in CHARTS {
        let path = root().join("deploy/manifests").join(file_name(chart));
        let rendered = manifests(chart)?;
        if std::env::var_os("LOCKSTEP_BLESS").is_some() {
            std::fs::write(&path, &rendered)?;
        }
        let kept = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        assert!(kept == rendered, "{} is out of date: LOCKSTEP_BLESS=1 writes it anew", path.display());
    }
    Ok(())
}

fn file_name(chart: Chart) -> &'static str {
    match chart {
        Chart::Server => "server.yaml",
        Chart::Agent => "agent.yaml",
    }
}

fn manifests(chart: Chart) -> Result<String> {
    let rendered = chart.render(NAMESPACE, &example(chart))?;
    // Said of a release, and nothing here is one.
    let of_helm = ["app.kubernetes.io/managed-by: Helm", "helm.sh/chart: ", "# Source: "];
    let lines = rendered.lines().filter(|line| !of_helm.iter().any(|start| line.trim_start().starts_with(start)));
    let head = format!(
        "# Rendered from deploy/charts/{} with deploy/manifests/{}; do not edit. Change the values, and render it again:\n\
         #   LOCKSTEP_BLESS=1 cargo test -p lockstep-tests --test charts manifests\n\
         apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n",
        chart.name(),
        file_name(chart).replace(".yaml", "-values.yaml"),
    );
    Ok(lines.fold(head, |text, line| text + line + "\n"))
}
