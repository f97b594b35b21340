//! The first start: schema, first API token. Safe to repeat.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use lockstep_core::access::{Access, Role, Scope};
use lockstep_core::name::TokenName;
use lockstep_store::api_token::NewToken;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{api_token, pool};
use serde_json::json;

use crate::actor;
use crate::config::Config;
use crate::token::{Kind, hash, mint};

/// The name of the first API token.
pub const FIRST_TOKEN: &str = "bootstrap";

/// Where the first API token goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace<'a> {
    /// A new file (0600, must not exist).
    File(&'a Path),
    /// A line of standard output, for where no file can be written.
    StandardOutput,
}

impl<'a> TokenPlace<'a> {
    /// `-` is standard output.
    pub fn named(path: &'a Path) -> Self {
        if path == Path::new("-") { Self::StandardOutput } else { Self::File(path) }
    }

    fn write(self, token: &str) -> anyhow::Result<()> {
        match self {
            Self::File(path) => {
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .with_context(|| format!("creating {} for the first API token; it must not exist yet", path.display()))?;
                file.write_all(token.as_bytes()).and_then(|()| file.sync_all()).context("writing the first API token")
            }
            Self::StandardOutput => {
                let mut output = std::io::stdout().lock();
                writeln!(output, "{token}").and_then(|()| output.flush()).context("printing the first API token")
            }
        }
    }

    /// A token that was never recorded is of no use.
    fn take_back(self) {
        if let Self::File(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Brings the schema up to date and, if nobody can administer everything, mints the first API token: also where the last one was lost.
///
/// Returns whether a token was minted.
pub async fn bootstrap(config: &Config, place: TokenPlace<'_>) -> anyhow::Result<bool> {
    let url = config.database_url()?;
    pool::migrate(&url).await.context("bringing the schema up to date")?;
    let pool = pool::connect(&url, 2).await.context("connecting to Postgres")?;
    let mut writing = Writing::begin(&pool).await?;
    if api_token::somebody_administers(writing.connection()).await? {
        writing.abandon().await?;
        return Ok(false);
    }
    let token = mint(Kind::Api)?;
    let name: TokenName = FIRST_TOKEN.parse().context("the first API token's name")?;
    let permissions = vec![Access { role: Role::Admin, scope: Scope::Everything }].into();
    let hash = hash(&token);
    let new = NewToken { name: &name, hash: &hash, permissions: &permissions, description: None, life: None };
    api_token::insert(writing.connection(), new).await?.context("another token has the first one's name")?;
    // Written before the commit: a token that nobody has would lock everybody out.
    place.write(&token)?;
    let entry = Entry {
        actor: actor::server(&config.replica),
        kind: "ApiTokenMinted",
        subject: format!("token/{FIRST_TOKEN}"),
        detail: json!({}),
    };
    if let Err(error) = writing.commit(&entry).await {
        place.take_back();
        return Err(error).context("recording the first API token");
    }
    Ok(true)
}
