//! JSON, compressed with gzip.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::Contents;

/// The most bytes that are unpacked.
const UNPACKED_MAX_BYTES: u64 = 32 << 20;

/// Compresses.
pub(super) fn pack(contents: &Contents) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut encoder, contents)?;
    encoder.flush()?;
    encoder.finish()
}

/// The other way; the error says where, never what.
pub(super) fn unpack(packed: &[u8]) -> Result<Contents, String> {
    let mut json = Vec::new();
    GzDecoder::new(packed).take(UNPACKED_MAX_BYTES).read_to_end(&mut json).map_err(|_| "not gzip".to_owned())?;
    serde_json::from_slice(&json).map_err(|e| format!("line {}, column {}", e.line(), e.column()))
}
