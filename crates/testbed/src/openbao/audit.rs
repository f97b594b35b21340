//! What the server's audit device wrote: the witness for "reads once" and "as whom".

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::OpenBao;

impl OpenBao {
    /// All audit entries so far, requests and responses, oldest first.
    pub fn audit_entries(&self) -> Result<Vec<Value>> {
        self.audit_entries_since(0)
    }

    /// How long the audit log is now, in bytes: a place in time.
    pub fn audit_size(&self) -> Result<usize> {
        let path = self.audit_log();
        let metadata = fs::metadata(path).with_context(|| format!("reading the audit log {}", path.display()))?;
        Ok(usize::try_from(metadata.len())?)
    }

    /// The audit entries since the log was that long.
    pub fn audit_entries_since(&self, size: usize) -> Result<Vec<Value>> {
        let path = self.audit_log();
        let log = match fs::read_to_string(path) {
            Ok(log) => log,
            // Not there until the server is unsealed for the first time.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("reading the audit log {}", path.display())),
        };
        let log = log.get(size..).with_context(|| format!("{} is shorter than {size} bytes", path.display()))?;
        // The last line may be under way.
        log.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).with_context(|| format!("parsing an audit entry: {line}")))
            .collect()
    }

    /// How many requests were made, so far, for which `counts(path, operation)` holds: `kv/data/team/db` and `read`.
    pub fn count_requests(&self, counts: impl Fn(&str, &str) -> bool) -> Result<usize> {
        self.count_requests_since(0, counts)
    }

    /// As [`OpenBao::count_requests`], since the log was that long.
    pub fn count_requests_since(&self, size: usize, counts: impl Fn(&str, &str) -> bool) -> Result<usize> {
        let entries = self.audit_entries_since(size)?;
        let requests = entries.iter().filter(|entry| entry["type"] == "request").map(|entry| &entry["request"]);
        let counted = requests.filter(|request| {
            counts(request["path"].as_str().unwrap_or_default(), request["operation"].as_str().unwrap_or_default())
        });
        Ok(counted.count())
    }
}
