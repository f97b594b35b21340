//! A token from a file, as a header: the kubelet writes a new one before the old one ends, so it is read for each request.

use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

/// A header that no `Debug` shows.
pub(crate) type Bearer = MetadataValue<Ascii>;

/// The token in `file`; or why there is none, without a word of what is in it.
pub(crate) async fn read(file: &Path) -> Result<Bearer, String> {
    let wrong = |why: &str| format!("at {}: {why}", file.display());
    let text = tokio::fs::read_to_string(file).await.map_err(|error| wrong(&error.kind().to_string()))?;
    let text = Zeroizing::new(text);
    let bearer = Zeroizing::new(format!("Bearer {}", text.trim()));
    let mut bearer = Bearer::try_from(bearer.as_str()).map_err(|_| wrong("it is no token"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
