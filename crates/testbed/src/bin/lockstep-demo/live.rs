//! The live table: which version is where, as secrets change in Vault.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::KV;
use lockstep_testbed::{Fleet, bin};

use crate::reader::Reader;
use crate::shop::{self, KEY, SECRETS};

/// How often a secret is changed by the demo itself.
const CHANGE_INTERVAL: Duration = Duration::from_secs(4);
const REDRAW_INTERVAL: Duration = Duration::from_millis(500);

/// The newest version of one secret.
struct Row {
    secret: &'static str,
    version: u64,
    value: String,
    since: Instant,
}

/// Shows it until the process is interrupted.
pub(crate) async fn show(fleet: &Fleet) -> Result<()> {
    let reader = Reader::start(fleet);
    let is_terminal = std::io::stdout().is_terminal();
    let help = help(fleet)?;
    println!("{help}");
    let mut rows = Vec::new();
    for secret in SECRETS {
        let (version, value) = newest(fleet, secret).await?;
        rows.push(Row { secret, version, value, since: Instant::now() });
    }
    let (mut last_change, mut turn) = (Instant::now(), 0);
    loop {
        if last_change.elapsed() >= CHANGE_INTERVAL {
            last_change = Instant::now();
            shop::write(fleet, SECRETS[turn % SECRETS.len()]).await?;
            turn += 1;
        }
        let mut changed = false;
        for row in &mut rows {
            let (version, value) = newest(fleet, row.secret).await?;
            if version != row.version {
                (row.version, row.value, row.since, changed) = (version, value, Instant::now(), true);
            }
        }
        let table = table(fleet, &rows, &reader);
        if is_terminal {
            print!("\x1b[2J\x1b[H{table}\n{help}\n");
            std::io::stdout().flush()?;
        } else if changed {
            println!("{table}");
        }
        tokio::time::sleep(REDRAW_INTERVAL).await;
    }
}

/// What Vault holds, asked with the root token as you would with `bao kv get`.
async fn newest(fleet: &Fleet, secret: &str) -> Result<(u64, String)> {
    let path = format!("shop/{secret}");
    let metadata = fleet.bao.kv_metadata(KV, &path).await?;
    let version = metadata["current_version"].as_u64().context("the metadata has no current version")?;
    let data = fleet.bao.kv_get(KV, &path).await?;
    Ok((version, data[KEY].as_str().unwrap_or_default().to_owned()))
}

fn table(fleet: &Fleet, rows: &[Row], reader: &Reader) -> String {
    let mut text = format!("{:<16}{:>7}", "SECRET", "VAULT");
    for agent in &fleet.agents {
        let _ = write!(text, "{:>14}", agent.name().to_uppercase());
    }
    text.push('\n');
    for row in rows {
        let _ = write!(text, "{:<16}{:>7}", format!("shop/{}", row.secret), format!("v{}", row.version));
        for cluster in 0..fleet.agents.len() {
            let cell = match reader.seen(cluster, &row.value) {
                Some(at) => format!("has it {:4.1} s", at.saturating_duration_since(row.since).as_secs_f64()),
                None => "behind".to_owned(),
            };
            let _ = write!(text, "{cell:>14}");
        }
        text.push('\n');
    }
    text
}

fn help(fleet: &Fleet) -> Result<String> {
    let lockstep = bin("lockstep")?;
    Ok(format!(
        "Try by hand, in another terminal:\n  \
         export LOCKSTEP_CONFIG={config}\n  \
         {lockstep} status\n  \
         {lockstep} get deliveries\n  \
         {lockstep} describe binding checkout\n  \
         curl -sH \"X-Vault-Token: {token}\" -d '{{\"data\":{{\"username\":\"me\",\"{KEY}\":\"mine\"}}}}' {vault}/v1/{KV}/data/shop/checkout\n  \
         cat {target}\n  \
         curl -s {metrics} | grep ^lockstep\n\
         A secret changes every {seconds} s; the seconds say how long after that the cluster had it. Ctrl-C ends everything.",
        config = fleet.cli_config().display(),
        lockstep = lockstep.display(),
        token = fleet.bao.root_token(),
        vault = fleet.bao.addr(),
        target = fleet.agents[0].targets().join("checkout").join(KEY).display(),
        metrics = fleet.replicas[0].metrics_url(),
        seconds = CHANGE_INTERVAL.as_secs(),
    ))
}
