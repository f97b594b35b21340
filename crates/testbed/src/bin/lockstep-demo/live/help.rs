//! What to try by hand, in another terminal.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::{KV, NAMESPACE, Sink};
use lockstep_testbed::part::Part;
use lockstep_testbed::{Fleet, bin};

use super::CHANGE_INTERVAL;
use lockstep_testbed::shop::{FILLED_IN, KEY};

/// A binding with two mistakes, for seeing how they are told.
const MISTAKEN: &str = "\
apiVersion: lockstep.dev/v1
kind: Binding
metadata: {name: mistaken}
spec:
  project: shop
  clusters: {matchLabels: {env: prod}}
  items: [{source: corp, mount: kv, path: ../shop/cart}]
  target: {directory: {name: mistaken}}
  deletionPolicy: Keep
";
const MISTAKEN_FILE: &str = "two-mistakes.yaml";

/// The commands, the most worthwhile first.
pub(super) struct Help {
    /// What the table's cells mean.
    pub(super) legend: Vec<String>,
    /// Run once in the other terminal.
    pub(super) setup: Vec<String>,
    /// What to try.
    pub(super) commands: Vec<String>,
    /// How it ends.
    pub(super) end: String,
}

impl Help {
    /// All of it.
    pub(super) fn lines(&self) -> Vec<String> {
        let title = "Try by hand, in another terminal:".to_owned();
        let commands = self.setup.iter().chain(&self.commands).map(|command| format!("  {command}"));
        self.legend.iter().cloned().chain([title]).chain(commands).chain([self.end.clone()]).collect()
    }
}

/// Puts what the commands need in the fleet's folder.
pub(super) fn of(fleet: &Fleet) -> Result<Help> {
    let folder = fleet.folder();
    std::fs::write(folder.join(MISTAKEN_FILE), MISTAKEN).context("writing the binding with mistakes")?;
    let vault = Part::OpenBao.find()?;
    // A folder with just these, so that nothing else comes onto PATH.
    let programs = folder.join("bin");
    std::fs::create_dir_all(&programs)?;
    let is_vault = vault.file_name().is_some_and(|name| name == "vault");
    let (vault_name, prefix) = if is_vault { ("vault", "VAULT") } else { ("bao", "BAO") };
    link(&vault, &programs.join(vault_name))?;
    link(&bin("lockstep")?, &programs.join("lockstep"))?;
    Ok(Help {
        legend: vec![format!(
            "1.2 s: how long after the change in Vault. Every {} s one changes; yours stay.",
            CHANGE_INTERVAL.as_secs()
        )],
        setup: vec![
            format!("cd {}", folder.display()),
            "export PATH=$PWD/bin:$PATH LOCKSTEP_CONFIG=$PWD/cli.yaml".to_owned(),
            format!("export {prefix}_ADDR={} {prefix}_TOKEN={}", fleet.bao.addr(), fleet.bao.root_token()),
        ],
        commands: vec![
            "lockstep status -w".to_owned(),
            "lockstep cluster pause cluster-2".to_owned(),
            format!("{vault_name} kv put -mount={KV} shop/checkout username=me {KEY}=mine"),
            "lockstep cluster resume cluster-2".to_owned(),
            format!("lockstep apply -f {MISTAKEN_FILE}"),
            look_into_the_target(fleet)?,
            "lockstep describe binding checkout".to_owned(),
            format!("lockstep diff -f {FILLED_IN}"),
            "lockstep get changes".to_owned(),
            format!("curl -s {} | grep ^lockstep_agents_connected", fleet.replicas[0].metrics_url()),
        ],
        end: "Ctrl-C ends everything.".to_owned(),
    })
}

/// Reads what arrived, without Lockstep.
fn look_into_the_target(fleet: &Fleet) -> Result<String> {
    Ok(match fleet.sink() {
        Sink::Directory => format!("cat cluster-1/targets/checkout/{KEY}; echo"),
        Sink::Secret => {
            let kubernetes = fleet.agents[0].kubernetes()?;
            let (kubeconfig, path) = (kubernetes.kubeconfig().display(), ".data.".to_owned() + KEY);
            format!(
                "kubectl --kubeconfig {kubeconfig} -n {NAMESPACE} get secret checkout -o jsonpath='{{{path}}}' | base64 -d; echo"
            )
        }
    })
}

fn link(program: &Path, name: &Path) -> Result<()> {
    symlink(program, name).with_context(|| format!("linking {} to {}", name.display(), program.display()))
}
