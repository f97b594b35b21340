//! Credentials in files: one line of text each.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use crate::error::{LoginFault, VaultError};

/// Tokens of Vault's have up to some hundred bytes; a JWT a few thousand.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// What shows, without reading it, that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// The stamp of a file now.
pub(crate) async fn stamp(file: &Path) -> Result<Stamp, VaultError> {
    let metadata = tokio::fs::metadata(file).await.map_err(|error| unreadable(file, &error))?;
    Ok(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
}

/// The file's text without white space around it.
pub(crate) async fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let reading = async {
        let open = tokio::fs::File::open(file).await?;
        let capacity = open.metadata().await?.len().min(FILE_MAX_BYTES);
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(capacity).unwrap_or_default() + 1));
        open.take(FILE_MAX_BYTES).read_to_end(&mut text).await?;
        Ok(text)
    };
    let text = reading.await.map_err(|error| unreadable(file, &error))?;
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Err(VaultError::Unauthenticated(LoginFault::Content { file: file.to_owned() }));
    }
    Ok(Zeroizing::new(trimmed.to_vec()))
}

fn unreadable(file: &Path, error: &io::Error) -> VaultError {
    VaultError::Unauthenticated(LoginFault::File { file: file.to_owned(), kind: error.kind() })
}
