//! The first start: schema, first API token. Safe to repeat.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{api_token, pool};
use serde_json::json;

use crate::actor;
use crate::config::Config;
use crate::token::{Kind, hash, mint};

/// The name of the first API token.
pub const FIRST_TOKEN: &str = "bootstrap";

/// Brings the schema up to date and, if there is no API token yet, mints the first one into `token_file` (0600, must not exist).
///
/// Returns whether a token was minted.
pub async fn bootstrap(config: &Config, token_file: &Path) -> anyhow::Result<bool> {
    let url = config.database_url()?;
    pool::migrate(&url).await.context("bringing the schema up to date")?;
    let pool = pool::connect(&url, 2).await.context("connecting to Postgres")?;
    let mut writing = Writing::begin(&pool).await?;
    if api_token::any(writing.connection()).await? {
        writing.abandon().await?;
        return Ok(false);
    }
    let token = mint(Kind::Api)?;
    api_token::put(writing.connection(), FIRST_TOKEN, &hash(&token)).await?;
    // The file before the commit: a token that nobody has would lock everybody out.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(token_file)
        .with_context(|| format!("creating {} for the first API token; it must not exist yet", token_file.display()))?;
    file.write_all(token.as_bytes()).and_then(|()| file.sync_all()).context("writing the first API token")?;
    let entry = Entry {
        actor: actor::server(&config.replica),
        kind: "ApiTokenMinted",
        subject: format!("token/{FIRST_TOKEN}"),
        detail: json!({}),
    };
    if let Err(error) = writing.commit(&entry).await {
        let _ = std::fs::remove_file(token_file);
        return Err(error).context("recording the first API token");
    }
    Ok(true)
}
