//! The history mark: the newest change, noted outside Postgres in the home Vault. A registry that is older than its mark was restored
//! from a backup; then nothing is sent to anybody until an operator opens a new epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use lockstep_core::history::{Mark, Standing, standing};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use lockstep_core::revision::{Epoch, Seq};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{PgPool, change, pool, registry};
use lockstep_vault::{Document, Put, Vault};
use serde_json::json;

use crate::actor;

/// How often the mark is moved.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// What an operator reads where the mark shows it.
const OLDER: &str = "history cut: the registry is older than the mark in the home Vault, as after a restore from an older backup. Nothing \
                     is sent or deleted. Check the registry, then run: lockstep epoch open --reason ...";
/// What an operator reads where a running replica saw it.
const REPLACED: &str = "history cut: the registry no longer has changes that this replica dispatched from it, as after a restore from an \
                        older backup. Nothing is sent or deleted. Check the registry, then run: lockstep epoch open --reason ...";

/// Compares and moves the mark.
pub struct HistoryMark {
    pool: PgPool,
    vault: Vault,
    mount: KvMount,
    path: KvPath,
    replica: String,
}

impl HistoryMark {
    /// Kept in this mount of the home Vault.
    pub fn new(pool: PgPool, vault: Vault, mount: KvMount, replica: String) -> anyhow::Result<Self> {
        Ok(Self { pool, vault, mount, path: "history-mark".parse()?, replica })
    }

    /// Compares and moves the mark; a failure is logged, and the next round tries again. Whether it went well.
    pub async fn activate(&self) -> bool {
        let checked = self.check().await;
        if let Err(error) = &checked {
            tracing::warn!(error = %format!("{error:#}"), "the history mark could not be checked or moved");
        }
        checked.is_ok()
    }

    /// Compares the registry with the mark: holds everything if the registry is older, else moves the mark.
    pub async fn check(&self) -> anyhow::Result<()> {
        let document = self.vault.document(&self.mount, &self.path).await.context("reading the history mark")?;
        let mark = document.as_ref().map(read).transpose()?;
        let mut connection = pool::acquire(&self.pool).await?;
        let registry = registry::get(&mut connection).await?;
        if let Some(mark) = mark {
            let ours = change::hash_at(&mut connection, mark.seq).await?;
            if standing(&mark, registry.head.epoch, ours) == Standing::Cut {
                drop(connection);
                return Ok(self.hold(&mark, OLDER).await?);
            }
        }
        drop(connection);
        if registry.held.is_some() || mark == Some(registry.head) {
            return Ok(());
        }
        let cas = document.map_or(0, |d| d.version);
        // Lost means that another replica moved it just now, which is as good.
        match self.vault.put_document(&self.mount, &self.path, &fields(&registry.head), cas).await {
            Ok(Put::Written(_) | Put::Lost) => Ok(()),
            Err(error) => Err(error).context("moving the history mark"),
        }
    }

    /// Holds everything: this replica saw a change that the registry no longer has. The mark is moved only once a minute and may not
    /// show it.
    pub async fn hold_replaced(&self, seen: &Mark) -> lockstep_store::Result<()> {
        self.hold(seen, REPLACED).await
    }

    async fn hold(&self, seen: &Mark, reason: &str) -> lockstep_store::Result<()> {
        let mut writing = Writing::begin(&self.pool).await?;
        let epoch = writing.epoch;
        let ours = change::hash_at(writing.connection(), seen.seq).await?;
        // An epoch may have been opened just now: that settled it.
        let settled = standing(seen, epoch, ours) == Standing::Known;
        if settled || registry::get(writing.connection()).await?.held.is_some() {
            return writing.abandon().await;
        }
        registry::set_held(writing.connection(), Some(reason)).await?;
        let entry = Entry {
            actor: actor::server(&self.replica),
            kind: "RegistryHeld",
            subject: "registry".to_owned(),
            detail: json!({ "reason": reason }),
        };
        writing.commit(&entry).await?;
        tracing::error!(reason, "the whole registry is held");
        Ok(())
    }
}

fn fields(mark: &Mark) -> BTreeMap<String, Material> {
    let text = |t: String| Material::new(t.into_bytes());
    BTreeMap::from([
        ("epoch".to_owned(), text(mark.epoch.to_string())),
        ("seq".to_owned(), text(mark.seq.to_string())),
        ("hash".to_owned(), text(mark.hash.to_string())),
    ])
}

fn read(document: &Document) -> anyhow::Result<Mark> {
    let text = |key: &str| -> anyhow::Result<&str> {
        let field = document.fields.get(key).ok_or_else(|| anyhow!("the history mark has no field {key}"))?;
        std::str::from_utf8(field.expose()).map_err(|_| anyhow!("the history mark's field {key} is no text"))
    };
    let number = |key: &str| text(key)?.parse::<u64>().with_context(|| format!("the history mark's field {key}"));
    Ok(Mark {
        epoch: Epoch::new(number("epoch")?),
        seq: Seq::new(number("seq")?),
        hash: text("hash")?.parse().context("the history mark's hash")?,
    })
}
