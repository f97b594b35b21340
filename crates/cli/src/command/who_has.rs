//! `lockstep who-has`.

use std::process::ExitCode;

use lockstep_api::holder::HolderList;
use lockstep_api::manifest::ListMetadata;
use serde_json::Value;

use crate::connection::ConnectionArgs;
use crate::format::{ListFormat, json, yaml};
use crate::kind::Kind;
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::table::{self, Style, Width};
use crate::{age, clock, progress, terminal};

/// Show which clusters have which version of a secret, and what its workloads do
///
/// A version is what the cluster's agent confirmed; CONFIRMED is when it did so last, so that the version was there by then. Workloads are known as
/// far as agents restart them: where the binding restarts nothing, a pod that read the old value may have it still. A cluster that kept the secret
/// when its binding was deleted is not known any more.
///
/// Exits as grep does: 0 if somebody has it, 1 if nobody does, 2 if that could not be found out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The secret, as PATH, MOUNT/PATH or SOURCE/MOUNT/PATH
    path: String,
    /// Only a secret of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only a secret of this mount
    #[arg(long, value_name = "NAME")]
    mount: Option<String>,
    /// Only those that have this version
    #[arg(long = "version", value_name = "NUMBER")]
    number: Option<u64>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

const EXAMPLES: &str = "\
Examples:
  lockstep who-has kv/payments/checkout/db
  # Who still has the version that leaked; by name, for a script
  lockstep who-has corp/kv/payments/checkout/db --version 6
  lockstep who-has payments/checkout/db --source corp --mount kv --version 6 -o name";

/// Items in one answer.
const PAGE_ITEMS: &str = "500";
/// Nobody has it.
const NOBODY: u8 = 1;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<ExitCode> {
        let client = connection.client()?;
        let found = progress::during("asking who has it", self.fetch(&client)).await;
        let list = client.explained(Kind::Secret, &self.path, found).await?;
        terminal::print(&self.render(&list)?)?;
        let name = format!("{}/{}/{}", list.secret.source, list.secret.mount, list.secret.path);
        let has_any = list.items.iter().any(|item| item.version.is_some());
        if !has_any {
            let which = self.number.map_or_else(String::new, |number| format!("version {number} of "));
            terminal::note(&format!("nobody has {which}{name}"));
        }
        terminal::hint(&summary(&list, &name));
        Ok(if has_any { ExitCode::SUCCESS } else { ExitCode::from(NOBODY) })
    }

    async fn fetch(&self, client: &Client) -> Result<HolderList, Failure> {
        let number = self.number.map(|number| number.to_string());
        let mut whole: Option<HolderList> = None;
        loop {
            let from = whole.as_ref().and_then(|list| list.metadata.continue_from.clone());
            let query: Vec<(&str, &str)> = [
                ("secret", Some(self.path.as_str())),
                ("source", self.source.as_deref()),
                ("mount", self.mount.as_deref()),
                ("version", number.as_deref()),
                ("limit", Some(PAGE_ITEMS)),
                ("continue", from.as_deref()),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
            let page: HolderList = client.ask(&["holders"], &query).await?;
            let next = page.metadata.continue_from.clone();
            let items = whole.take().map(|list| list.items).unwrap_or_default();
            let items = items.into_iter().chain(page.items.iter().cloned()).collect();
            // The same token twice would never end.
            let is_last = next.is_none() || next == from;
            let list = HolderList { items, metadata: ListMetadata { continue_from: next.filter(|_| !is_last) }, ..page };
            if is_last {
                return Ok(list);
            }
            whole = Some(list);
        }
    }

    fn render(&self, list: &HolderList) -> anyhow::Result<String> {
        let width = match self.output {
            ListFormat::Table => Width::Usual,
            ListFormat::Wide => Width::All,
            ListFormat::Json => return json(list),
            ListFormat::Yaml => return yaml(list),
            ListFormat::Name => {
                let mut names: Vec<String> =
                    list.items.iter().filter(|i| i.version.is_some()).map(|i| format!("cluster/{}", i.cluster)).collect();
                names.dedup();
                return Ok(terminal::lines(names));
            }
        };
        if list.items.is_empty() {
            return Ok(String::new());
        }
        let items = list.items.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
        Ok(table::of_holders(&items, width)?.render(Style::of_stdout()))
    }
}

/// What is newest, and how many have it.
fn summary(list: &HolderList, name: &str) -> String {
    let Some(newest) = list.secret.version else { return format!("{name}: no version was seen yet ({}).", list.secret.state) };
    let written = list.secret.version_created_at.map(|at| format!(", written {} ago", age::ago(at, clock::now())));
    let has = list.items.iter().filter(|item| item.version == Some(newest) && !item.former_life).count();
    format!("{name}: v{newest} is the newest{}; {has} of these {} have it.", written.unwrap_or_default(), list.items.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn how_many_have_the_newest_is_counted_without_those_of_a_former_life() {
        let item = |version: u64, former: bool| json!({"cluster": "c", "binding": "b", "project": "p", "status": "InSync", "workloads": "", "version": version, "formerLife": former});
        let list = json!({
            "apiVersion": "v", "kind": "HolderList", "metadata": {}, "items": [item(4, false), item(3, false), item(4, true)],
            "secret": {"uid": "00000000-0000-0000-0000-000000000001", "source": "corp", "mount": "kv", "path": "a", "state": "Live", "version": 4, "bindings": 1},
        });
        let list: HolderList = serde_json::from_value(list).unwrap();
        assert_eq!(summary(&list, "corp/kv/a"), "corp/kv/a: v4 is the newest; 1 of these 3 have it.");
    }
}
