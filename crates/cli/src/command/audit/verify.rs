//! `lockstep audit verify`.

use std::process::ExitCode;

use lockstep_api::change::{HistoryHead, HistoryRecords};
use lockstep_core::history::ChangeHash;
use serde_json::json;

use super::chain::{Broken, Chain};
use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::rest::client::Client;
use crate::{progress, terminal};

/// Recompute the history's hash chain here, from its first change to its newest
///
/// Nothing that the server says of the chain counts: each change's hash is made anew from its exact text and the hash before it. Names the first
/// change that is not what was written, and exits 1. Keep number and hash somewhere else: --from and --hash go on from there, and then show also
/// whether somebody made the whole chain anew. Needs the role auditor or admin of everything.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The last change that is known to be right
    #[arg(long, value_name = "CHANGE", requires = "hash")]
    from: Option<u64>,
    /// Its hash
    #[arg(long, value_name = "HASH", requires = "from")]
    hash: Option<ChangeHash>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep audit verify
  # Go on from what was verified before
  lockstep audit verify --from 18230 --hash 6f0c…
  lockstep audit verify -o json";

/// Records in one answer.
const PAGE_ITEMS: &str = "500";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<ExitCode> {
        let client = connection.client()?;
        let start = match (self.from, self.hash) {
            (Some(at), Some(hash)) => Chain { at, hash },
            _ => Chain::ORIGIN,
        };
        let (verified, head) = progress::during("following the chain", walk(&client, start)).await?;
        match verified {
            Ok(chain) => {
                let Chain { at, hash } = chain;
                let data = json!({"verified": true, "from": start.at, "to": at, "changes": at - start.at, "epoch": head.epoch, "hash": hash});
                terminal::print(&self.output.render(&data, || {
                    format!(
                        "verified: {} changes follow from one another, up to change {at} (epoch {})\nhash {hash}\n",
                        at - start.at,
                        head.epoch
                    )
                })?)?;
                terminal::hint(&format!("Keep both elsewhere. Next time: `lockstep audit verify --from {at} --hash {hash}`."));
                Ok(ExitCode::SUCCESS)
            }
            Err(broken) => {
                let data = json!({"verified": false, "from": start.at, "brokenAt": broken.seq(), "reason": broken.to_string()});
                terminal::print(&self.output.render(&data, String::new)?)?;
                terminal::note(&format!(
                    "error: {broken}. Leave the database as it is, and compare it with a backup from before"
                ));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

/// Up to what was newest when it began: others write meanwhile.
async fn walk(client: &Client, start: Chain) -> anyhow::Result<(Result<Chain, Broken>, HistoryHead)> {
    let mut chain = start;
    let mut goal: Option<HistoryHead> = None;
    loop {
        let after = chain.at.to_string();
        let page: HistoryRecords = client.ask(&["history", "records"], &[("after", &after), ("limit", PAGE_ITEMS)]).await?;
        let goal = goal.get_or_insert(page.head).clone();
        let before = chain.at;
        for record in page.items.iter().take_while(|record| record.seq <= goal.seq) {
            if let Err(broken) = chain.follow(record) {
                return Ok((Err(broken), goal));
            }
        }
        if chain.at >= goal.seq || chain.at == before {
            return Ok((chain.end(&goal).map(|()| chain), goal));
        }
    }
}
