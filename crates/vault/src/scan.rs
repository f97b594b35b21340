//! SCAN: the metadata of a whole tree in one request (OpenBao's; HashiCorp Vault has none).

use std::collections::HashMap;

use http::{Method, StatusCode};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::version::Seen;
use serde::Deserialize;

use crate::answer::Answer;
use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::Envelope;
use crate::metadata::Metadata;
use crate::request::{Operation, Request};

/// A part of a tree's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanPage {
    /// Full paths below the mount. Secrets whose names are no [`KvPath`] are left out: no binding can name them.
    pub entries: Vec<(KvPath, Seen)>,
    /// Continue after this; `None`: that was all.
    pub last: Option<String>,
}

#[derive(Deserialize)]
struct ScanBody<'a> {
    /// In the server's order. Absent when there is nothing below the prefix.
    #[serde(default)]
    keys: Vec<String>,
    #[serde(borrow, default)]
    key_info: HashMap<String, Metadata<'a>>,
}

impl Vault {
    /// Metadata of all secrets below the directory `prefix` (`""`: the whole mount), asking for `limit` entries after `after`.
    ///
    /// [`VaultError::Unsupported`] where the server has no SCAN, [`VaultError::Forbidden`] where the policy lacks the capability
    /// `scan` on `<mount>/detailed-metadata/<prefix>`. OpenBao 2.7 ignores `limit` and `after` here (LIST heeds them): a page may have
    /// more entries than asked for and is the last one then. An absent secret was not necessarily deleted: confirm with [`Vault::metadata`].
    pub async fn scan(&self, mount: &KvMount, prefix: &str, after: Option<&str>, limit: usize) -> Result<ScanPage, VaultError> {
        let prefix = prefix.trim_matches('/');
        let request = request(mount, prefix, after, limit);
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(failure(&answer, &request));
        }
        let Envelope { data } = answer.parse::<Envelope<ScanBody<'_>>>(&request)?;
        let broken = |why| VaultError::Protocol { what: request.what(), why };
        let mut entries = Vec::with_capacity(data.keys.len());
        for key in &data.keys {
            let Ok(path) = join(prefix, key).parse::<KvPath>() else { continue };
            let metadata = data.key_info.get(key).ok_or_else(|| broken("an entry has no metadata"))?;
            entries.push((path, metadata.seen().ok_or_else(|| broken("an entry's current version has no fields"))?));
        }
        Ok(ScanPage { entries, last: next(&data.keys, after, limit) })
    }
}

fn request(mount: &KvMount, prefix: &str, after: Option<&str>, limit: usize) -> Request {
    let mut query = reqwest::Url::parse("scan:").map(|mut url| {
        url.query_pairs_mut()
            .append_pair("scan", "true")
            .append_pair("limit", &limit.to_string())
            .extend_pairs(after.map(|after| ("after", after)));
        url.query().map(str::to_owned)
    });
    Request {
        operation: Operation::Scan,
        // The verb SCAN means the same; proxies let a GET through.
        method: Method::GET,
        path: format!("{mount}/detailed-metadata/{}", join(prefix, "")),
        query: query.as_mut().ok().and_then(Option::take),
        body: None,
    }
}

/// A server without SCAN treats the path as one below the mount that it does not have: 404 with warnings, or 405.
fn failure(answer: &Answer, request: &Request) -> VaultError {
    let is_unknown_path = answer.status == StatusCode::NOT_FOUND && answer.parse::<Warned>(request).is_ok();
    match answer.failure(request) {
        VaultError::NotFound { what } => VaultError::Unsupported { what },
        VaultError::Protocol { what, .. } if is_unknown_path => VaultError::Unsupported { what },
        other => other,
    }
}

#[derive(Deserialize)]
struct Warned {
    #[expect(dead_code, reason = "that it is there is what counts")]
    warnings: Vec<String>,
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}/{key}") }
}

/// A full page may have a successor. One that is too long, or begins again although a start was given, comes from a server that does
/// not page: it is everything.
fn next(keys: &[String], after: Option<&str>, limit: usize) -> Option<String> {
    let is_whole_tree = after.is_some_and(|after| keys.iter().any(|key| key == after));
    if keys.len() == limit && !is_whole_tree { keys.last().cloned() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging_goes_on_after_a_full_page_only_and_ends_with_a_server_that_does_not_page() {
        let keys = |n: usize| (0..n).map(|i| format!("k{i}")).collect::<Vec<_>>();
        for (case, count, after, limit, last) in [
            ("full", 2, None, 2, Some("k1")),
            ("short", 1, None, 2, None),
            ("empty", 0, None, 2, None),
            ("limit ignored", 3, None, 2, None),
            ("start ignored", 2, Some("k1"), 2, None),
            ("start heeded", 2, Some("j"), 2, Some("k1")),
        ] {
            assert_eq!(next(&keys(count), after, limit).as_deref(), last, "{case}");
        }
    }

    #[test]
    fn a_start_is_encoded() {
        let request = request(&"kv".parse().unwrap(), "a b", Some("c&d=ü"), 5);
        assert_eq!(request.path, "kv/detailed-metadata/a b/");
        assert_eq!(request.query.as_deref(), Some("scan=true&limit=5&after=c%26d%3D%C3%BC"));
    }
}
