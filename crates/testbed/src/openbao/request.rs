//! Requests to the server's API.

use anyhow::{Result, anyhow};
use reqwest::Method;
use serde_json::Value;

use super::OpenBao;
use crate::http;

impl OpenBao {
    /// Any request to `/v1/<path>` with the root token. The method is a [`Method`] or its name (`"GET"`, `"LIST"`). An
    /// answer without a body is `Value::Null`; one other than 2xx is a
    /// [`Refused`](crate::Refused).
    pub async fn request<M: TryInto<Method>>(&self, method: M, path: &str, body: Option<Value>) -> Result<Value> {
        self.request_as(self.root_token(), method, path, body).await
    }

    /// As [`OpenBao::request`], with another token; an empty one sends none.
    pub async fn request_as<M: TryInto<Method>>(&self, token: &str, method: M, path: &str, body: Option<Value>) -> Result<Value> {
        let method = method.try_into().map_err(|_| anyhow!("the request to {path} has no valid method"))?;
        let mut request = self.client.request(method.clone(), format!("{}/v1/{path}", self.addr()));
        if !token.is_empty() {
            request = request.header("X-Vault-Token", token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        http::send("OpenBao", method, path, request).await
    }

    /// A backup of everything in the server.
    pub async fn snapshot(&self) -> Result<Vec<u8>> {
        let url = format!("{}/v1/sys/storage/raft/snapshot", self.addr());
        let answer = self.client.get(url).header("X-Vault-Token", self.root_token()).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.into())
    }

    /// Restores a backup of this server.
    pub async fn restore(&self, snapshot: Vec<u8>) -> Result<()> {
        let url = format!("{}/v1/sys/storage/raft/snapshot-force", self.addr());
        let request = self.client.post(url).header("X-Vault-Token", self.root_token()).body(snapshot);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}
