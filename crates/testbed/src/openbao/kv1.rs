//! Key-value secrets, version 1.

use anyhow::Result;
use serde_json::{Value, json};

use super::OpenBao;

impl OpenBao {
    /// Enables a key-value engine, version 1.
    pub async fn enable_kv1(&self, mount: &str) -> Result<()> {
        let engine = json!({ "type": "kv", "options": { "version": "1" } });
        self.request("POST", &format!("sys/mounts/{mount}"), Some(engine)).await.map(drop)
    }

    /// Writes what is there from now on.
    pub async fn kv1_put(&self, mount: &str, path: &str, data: &Value) -> Result<()> {
        self.request("POST", &format!("{mount}/{path}"), Some(data.clone())).await.map(drop)
    }

    /// What is there.
    pub async fn kv1_get(&self, mount: &str, path: &str) -> Result<Value> {
        let mut answer = self.request("GET", &format!("{mount}/{path}"), None).await?;
        Ok(answer["data"].take())
    }

    /// Removes it.
    pub async fn kv1_delete(&self, mount: &str, path: &str) -> Result<()> {
        self.request("DELETE", &format!("{mount}/{path}"), None).await.map(drop)
    }
}
