//! The operator's command, as an operator would type it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::bin;
use crate::fleet::Fleet;

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a command printed.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("the command's output is not JSON: {}", self.stdout))
    }
}

impl Fleet {
    /// Runs `lockstep` with these arguments; a failure is an error with what it printed.
    pub async fn cli(&self, arguments: &[&str]) -> Result<Output> {
        let output = self.cli_any(arguments).await?;
        ensure!(
            output.code == 0,
            "lockstep {} exited with {}: {}{}",
            arguments.join(" "),
            output.code,
            output.stdout,
            output.stderr
        );
        Ok(output)
    }

    /// Runs `lockstep` with these arguments, whatever comes of it.
    pub async fn cli_any(&self, arguments: &[&str]) -> Result<Output> {
        let child = Command::new(bin("lockstep")?)
            .args(arguments)
            .env("LOCKSTEP_CONFIG", self.cli_config())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, child).await.with_context(|| format!("lockstep {}", arguments.join(" ")))??;
        Ok(Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The CLI's configuration, for commands to try by hand.
    pub fn cli_config(&self) -> std::path::PathBuf {
        self.folder().join("cli.yaml")
    }

    /// Points the CLI at a replica.
    pub async fn use_replica(&self, index: usize) -> Result<()> {
        let server = self.replicas[index].rest_url();
        let ca = self.root_file().to_string_lossy().into_owned();
        let token = self.folder().join("admin.token").to_string_lossy().into_owned();
        self.cli(&["login", "--server", &server, "--certificate-authority", &ca, "--token-file", &token]).await.map(drop)
    }
}
