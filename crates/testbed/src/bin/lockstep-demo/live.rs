//! The live table: which version is where, as secrets change in Vault.

mod frame;
mod help;
mod observed;
mod table;

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::KV;
use lockstep_testbed::{Fleet, Refused};
use serde_json::Value;

use crate::reader::Reader;
use frame::Size;
use lockstep_testbed::shop::{self, KEY, SECRETS};
use observed::Observed;

/// How often a secret is changed by the demo itself.
const CHANGE_INTERVAL: Duration = Duration::from_secs(4);
const REDRAW_INTERVAL: Duration = Duration::from_millis(500);
/// How often the CLI is asked how clusters and deliveries are.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The newest version of one secret.
struct Row {
    secret: &'static str,
    version: u64,
    /// Vault's value; none while the newest version is deleted.
    value: Option<String>,
    /// When it changed; none while it is what it was at the start.
    changed: Option<Instant>,
    /// What the demo wrote last. Another value is somebody else's, and left alone.
    own: Option<String>,
}

impl Row {
    /// Whether somebody else wrote the newest version.
    fn is_yours(&self) -> bool {
        self.value != self.own
    }
}

/// Shows it until it is dropped.
pub(crate) async fn show(fleet: &Fleet, told: &[String]) -> Result<()> {
    let observed = RefCell::new(Observed::default());
    let look = async {
        loop {
            // While no server answers, what was seen last is shown on.
            if let Ok(seen) = observed::look(fleet).await {
                *observed.borrow_mut() = seen;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::select! {
        ended = paint(fleet, told, &observed) => ended,
        never = look => never,
    }
}

async fn paint(fleet: &Fleet, told: &[String], observed: &RefCell<Observed>) -> Result<()> {
    let reader = Reader::start(fleet).await?;
    let is_terminal = std::io::stdout().is_terminal();
    let help = help::of(fleet)?;
    // Once as a whole, where it can be scrolled back to.
    write(&format!("\n{}\n", help.lines().join("\n")))?;
    if is_terminal {
        write(&frame::make_room(Size::of_terminal()))?;
    }
    let mut rows = rows(fleet).await?;
    let (mut last_change, mut turn) = (Instant::now(), 0);
    loop {
        if last_change.elapsed() >= CHANGE_INTERVAL {
            last_change = Instant::now();
            change_one(fleet, &mut rows, &mut turn).await?;
        }
        let mut changed = false;
        for row in &mut rows {
            changed |= refresh(fleet, row).await?;
        }
        let names: Vec<&str> = fleet.agents.iter().map(lockstep_testbed::fleet::Agent::name).collect();
        let seen = |cluster: usize, value: &str| reader.seen(cluster, value);
        let table = |width| table::draw(&rows, &names, &observed.borrow(), seen, Instant::now(), width);
        if is_terminal {
            let size = Size::of_terminal();
            write(&frame::paint(&frame::compose(told, &table(size.width), &help, size), size))?;
        } else if changed {
            write(&format!("{}\n\n", table(usize::MAX).join("\n")))?;
        }
        tokio::time::sleep(REDRAW_INTERVAL).await;
    }
}

/// A terminal that is gone is an error here, not a panic.
fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to the terminal")
}

/// All secrets as they are at the start.
async fn rows(fleet: &Fleet) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for secret in SECRETS {
        let mut row = Row { secret, version: 0, value: None, changed: None, own: None };
        refresh(fleet, &mut row).await?;
        (row.own, row.changed) = (row.value.clone(), None);
        rows.push(row);
    }
    Ok(rows)
}

/// Writes a new version of the next secret in turn that nobody else wrote.
async fn change_one(fleet: &Fleet, rows: &mut [Row], turn: &mut usize) -> Result<()> {
    let count = rows.len();
    let Some(next) = (0..count).map(|step| (*turn + step) % count).find(|index| !rows[*index].is_yours()) else {
        return Ok(());
    };
    *turn = next + 1;
    let row = &mut rows[next];
    // Somebody may have changed it since the last look.
    refresh(fleet, row).await?;
    if row.is_yours() {
        return Ok(());
    }
    let written = shop::write(fleet, row.secret).await?;
    (row.version, row.changed) = (written.version, Some(Instant::now()));
    (row.value, row.own) = (Some(written.password.clone()), Some(written.password));
    Ok(())
}

/// What Vault holds, asked with the root token as you would with `bao kv get`; whether that is new.
async fn refresh(fleet: &Fleet, row: &mut Row) -> Result<bool> {
    let path = format!("shop/{}", row.secret);
    let metadata = found(fleet.bao.kv_metadata(KV, &path).await)?.unwrap_or_default();
    let version = metadata["current_version"].as_u64().unwrap_or_default();
    let state = &metadata["versions"][version.to_string()];
    let is_live = state["destroyed"] == false && state["deletion_time"] == "";
    if version == row.version && is_live == row.value.is_some() {
        return Ok(false);
    }
    let data = if is_live { found(fleet.bao.kv_get(KV, &path).await)? } else { None };
    let value = data.map(|data| data[KEY].as_str().unwrap_or_default().to_owned());
    if version == row.version && value == row.value {
        return Ok(false);
    }
    (row.version, row.value, row.changed) = (version, value, Some(Instant::now()));
    Ok(true)
}

/// A deleted secret is no error.
fn found(answer: Result<Value>) -> Result<Option<Value>> {
    match answer {
        Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status.as_u16() == 404) => Ok(None),
        other => other.map(Some),
    }
}
