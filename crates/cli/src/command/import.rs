//! `lockstep import`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use lockstep_core::binding::EACH_SERVICE_ACCOUNT;
use lockstep_core::name::{Namespace, ProjectName, ServiceAccountName, SourceName};
use lockstep_core::selector::Selector;

use crate::format::Format;
use crate::import::{self, Outcome, Tool, Verdict, Wanted, report};
use crate::manifest;
use crate::manifest::file::FileArgs;
use crate::table::Style;
use crate::terminal;

/// Bindings that deliver what another tool's manifests do
///
/// Writes bindings to standard output, and to standard error what became of each object: mapped, mapped in part, not mapped. Every field of an
/// object is in a binding, or named with the reason why it is not. Nothing is sent to a server.
///
/// The bindings take over the Secrets that are there (adopt); with --observe they only compare, and say what would change. What pods mount
/// has nothing to compare with, and is left out then. Exits with 2 if anything was left out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Whose manifests
    #[arg(value_enum)]
    tool: Tool,
    /// File, directory and those below it (*.yaml, *.yml, *.json), or - for standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    filename: Vec<PathBuf>,
    /// Of CSI: the service account whose pods may mount the files, or "*" for each; may be repeated. Otherwise those of the pods and
    /// workloads that mount the class and are given with it
    #[arg(long, value_name = "NAME", value_parser = service_account)]
    service_account: Vec<String>,
    /// Only compare with the Secrets that are there, and write none
    #[arg(long)]
    observe: bool,
    /// Whose the bindings are
    #[arg(long, value_name = "PROJECT", default_value = "default")]
    project: ProjectName,
    /// The source that stands for every store; otherwise a source is called like its store
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// The source that stands for one store (of VSO: a VaultAuth or VaultConnection); may be repeated
    #[arg(long, value_name = "STORE=SOURCE", value_parser = store)]
    store_map: Vec<(String, String)>,
    /// Which clusters, such as env=prod; otherwise all that the project's grants allow
    #[arg(long, value_name = "SELECTOR", default_value = "")]
    clusters: Selector,
    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: Namespace,
    /// Where the bindings are written; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Format of what is said about each object
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    report: Format,
}

const EXAMPLES: &str = "\
Examples:
  # What would become of them, and the bindings in a file
  lockstep import eso -f external-secrets/ --project payments --source corp -o bindings.yaml
  # Compare first: nothing is written, `lockstep get deliveries` says what would change
  lockstep import eso -f external-secrets/ --project payments --source corp --observe | lockstep apply -f -
  # Straight from a cluster
  kubectl get externalsecrets,secretstores -A -o yaml | lockstep import eso -f - --clusters env=prod
  lockstep import vso -f vso/ --store-map team-auth=corp
  lockstep import csi -f classes.yaml --source corp --service-account checkout
  kubectl get secretproviderclasses,pods -A -o yaml | lockstep import csi -f - --source corp

Exit codes:
  0   every object is mapped
  1   it could not be done
  2   something was left out, and named";

/// `NAME=SOURCE`.
fn store(text: &str) -> Result<(String, String), String> {
    let (store, source) = text.split_once('=').ok_or_else(|| format!("{text:?} is not STORE=SOURCE"))?;
    let source: SourceName = source.parse().map_err(|error| format!("{error}"))?;
    Ok((store.to_owned(), source.to_string()))
}

/// A name, or all.
fn service_account(text: &str) -> Result<String, String> {
    let is_all = text == EACH_SERVICE_ACCOUNT;
    let name = if is_all { Ok(text.to_owned()) } else { text.parse::<ServiceAccountName>().map(|name| name.to_string()) };
    name.map_err(|error| error.to_string())
}

impl Args {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.tool != Tool::Csi && !self.service_account.is_empty() {
            bail!("--service-account is for volumes, which only `lockstep import csi` makes: leave it out");
        }
        let files = FileArgs { filename: self.filename.clone(), recursive: true };
        let outcomes = import::import(self.tool, manifest::read_foreign(&files)?, &self.wanted());
        if outcomes.iter().all(|outcome| outcome.verdict == Verdict::PassedOver) {
            bail!("there is nothing of {} in these files", self.tool.title());
        }
        let manifests = report::manifests(&outcomes)?;
        if self.output.as_os_str() == "-" {
            terminal::print(&manifests)?;
        } else {
            std::fs::write(&self.output, manifests).with_context(|| format!("cannot write {}", self.output.display()))?;
        }
        let style = Style { colours: false, ..Style::of_stdout() };
        let said = self.report.render(&report::data(&outcomes), || report::table(&outcomes, style))?;
        terminal::note(said.trim_end());
        let is_incomplete = outcomes.iter().any(Outcome::is_incomplete);
        Ok(ExitCode::from(if is_incomplete { 2 } else { 0 }))
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            project: self.project.to_string(),
            source: self.source.as_ref().map(ToString::to_string),
            stores: self.store_map.iter().cloned().collect::<BTreeMap<_, _>>(),
            clusters: (&self.clusters).into(),
            namespace: self.namespace.to_string(),
            service_accounts: self.service_account.iter().cloned().collect(),
            observe: self.observe,
        }
    }
}
