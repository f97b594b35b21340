//! The key that seals the cache, where no file has one: it is made once, and kept in the state Secret.

use std::path::Path;

use zeroize::Zeroizing;

use super::State;
use crate::agent::AgentError;
use crate::cache::CacheKeys;

const NAME: &str = "cache-keys";

/// From the file, or from the state, where they are made if they are not there.
pub(crate) async fn open(state: &State, file: Option<&Path>) -> Result<CacheKeys, AgentError> {
    if let Some(file) = file {
        return Ok(CacheKeys::read(file)?);
    }
    if let Some(keys) = read(state).await? {
        return Ok(keys);
    }
    let text = CacheKeys::generate();
    state.write(NAME, text.as_bytes()).await?;
    tracing::info!("made a key for the cache of what pods may mount");
    Ok(CacheKeys::parse(&text)?)
}

/// From the state, if they are there.
pub(crate) async fn read(state: &State) -> Result<Option<CacheKeys>, AgentError> {
    let Some(bytes) = state.read(NAME).await? else { return Ok(None) };
    let text = String::from_utf8(bytes.to_vec()).map(Zeroizing::new).map_err(|_| state.damaged(NAME, "not text"))?;
    Ok(Some(CacheKeys::parse(&text).map_err(|_| state.damaged(NAME, "not keys"))?))
}
