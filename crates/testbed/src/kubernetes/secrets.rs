//! Reading Secrets as administrator, as an independent observer does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Kubernetes;
use crate::Refused;

/// Longer than any test: a watch ends with its receiver.
const WATCH_LIMIT: Duration = Duration::from_hours(24);

/// A Secret's keys with their bytes.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// One state of a Secret, as a watcher was told.
#[derive(Debug, Clone)]
pub struct SecretSeen {
    /// Its name.
    pub name: String,
    /// Its keys; `None` once it is deleted.
    pub data: Option<SecretData>,
    /// When the watcher was told, on this process's monotonic clock.
    pub at: Instant,
}

impl Kubernetes {
    /// A Secret's keys with their bytes; `None` while there is no such Secret.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>> {
        match self.request("GET", &format!("/api/v1/namespaces/{namespace}/secrets/{name}"), None).await {
            Ok(secret) => data(&secret).map(Some),
            Err(error) if error.downcast_ref::<Refused>().is_some_and(|r| r.status.as_u16() == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells every state of the namespace's Secrets, the present ones first, until the receiver is dropped or the API server ends the watch.
    pub async fn watch_secrets(&self, namespace: &str) -> Result<mpsc::UnboundedReceiver<SecretSeen>> {
        let url = format!("{}/api/v1/namespaces/{namespace}/secrets?watch=1&resourceVersion=0", self.addr());
        let request = self.client.get(url).bearer_auth(self.admin_token()).timeout(WATCH_LIMIT);
        let mut answer = request.send().await?.error_for_status().context("watching Secrets")?;
        let (told, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut line = Vec::new();
            while let Ok(Some(chunk)) = answer.chunk().await {
                for byte in chunk {
                    if byte != b'\n' {
                        line.push(byte);
                        continue;
                    }
                    let Some(state) = event(&std::mem::take(&mut line)) else { continue };
                    if told.send(state).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(seen)
    }
}

/// One line of a watch; `None` for a bookmark.
fn event(line: &[u8]) -> Option<SecretSeen> {
    let at = Instant::now();
    let event: Value = serde_json::from_slice(line).ok()?;
    let name = event["object"]["metadata"]["name"].as_str()?.to_owned();
    let data = match event["type"].as_str()? {
        "ADDED" | "MODIFIED" => Some(data(&event["object"]).ok()?),
        "DELETED" => None,
        _ => return None,
    };
    Some(SecretSeen { name, data, at })
}

fn data(secret: &Value) -> Result<SecretData> {
    let keys = match &secret["data"] {
        Value::Null => return Ok(SecretData::new()),
        Value::Object(keys) => keys,
        _ => bail!("a Secret whose data is no object"),
    };
    let decode = |(key, value): (&String, &Value)| {
        let bytes = STANDARD.decode(value.as_str().context("a value that is no text")?).context("a value that is no base64")?;
        Ok((key.clone(), bytes))
    };
    keys.iter().map(decode).collect()
}
