//! Key-value secrets, version 2.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::OpenBao;
use crate::wait;

const READY_LIMIT: Duration = Duration::from_secs(30);

impl OpenBao {
    /// Enables a key-value engine, version 2, and waits until it can be used.
    pub async fn enable_kv(&self, mount: &str) -> Result<()> {
        let engine = json!({ "type": "kv", "options": { "version": "2" } });
        self.request("POST", &format!("sys/mounts/{mount}"), Some(engine)).await?;
        // A new engine answers 400 until it has prepared its storage.
        wait::until(&format!("the engine {mount}"), READY_LIMIT, async || {
            self.request("GET", &format!("{mount}/config"), None).await
        })
        .await?;
        Ok(())
    }

    /// Writes a new version; returns its number.
    pub async fn kv_put(&self, mount: &str, path: &str, data: &Value) -> Result<u64> {
        let answer = self.request("POST", &format!("{mount}/data/{path}"), Some(json!({ "data": data }))).await?;
        answer["data"]["version"].as_u64().with_context(|| format!("no version in the answer to a write of {mount}/{path}"))
    }

    /// The newest version's data.
    pub async fn kv_get(&self, mount: &str, path: &str) -> Result<Value> {
        let mut answer = self.request("GET", &format!("{mount}/data/{path}"), None).await?;
        Ok(answer["data"]["data"].take())
    }

    /// One version's data.
    pub async fn kv_get_version(&self, mount: &str, path: &str, version: u64) -> Result<Value> {
        let mut answer = self.request("GET", &format!("{mount}/data/{path}?version={version}"), None).await?;
        Ok(answer["data"]["data"].take())
    }

    /// Marks versions as deleted.
    pub async fn kv_soft_delete(&self, mount: &str, path: &str, versions: &[u64]) -> Result<()> {
        self.kv_versions("POST", &format!("{mount}/delete/{path}"), versions).await
    }

    /// Takes the mark off again.
    pub async fn kv_undelete(&self, mount: &str, path: &str, versions: &[u64]) -> Result<()> {
        self.kv_versions("POST", &format!("{mount}/undelete/{path}"), versions).await
    }

    /// Removes versions' data for good.
    pub async fn kv_destroy(&self, mount: &str, path: &str, versions: &[u64]) -> Result<()> {
        self.kv_versions("PUT", &format!("{mount}/destroy/{path}"), versions).await
    }

    /// Removes a secret with all its versions; the next write is version 1 again.
    pub async fn kv_delete_metadata(&self, mount: &str, path: &str) -> Result<()> {
        self.request("DELETE", &format!("{mount}/metadata/{path}"), None).await.map(drop)
    }

    /// A secret's metadata: `current_version`, `created_time`, `versions` and so on.
    pub async fn kv_metadata(&self, mount: &str, path: &str) -> Result<Value> {
        let mut answer = self.request("GET", &format!("{mount}/metadata/{path}"), None).await?;
        Ok(answer["data"].take())
    }

    async fn kv_versions(&self, method: &str, path: &str, versions: &[u64]) -> Result<()> {
        self.request(method, path, Some(json!({ "versions": versions }))).await.map(drop)
    }
}
