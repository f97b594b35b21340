//! Reading an answer's body: bounded, into a buffer that is wiped, also when it grows.

use reqwest::Response;
use zeroize::Zeroizing;

const FIRST_CAPACITY_BYTES: usize = 4 << 10;

/// Why a body was not read.
pub(crate) enum BodyError {
    TooLarge,
    Broken(reqwest::Error),
}

/// Reads the body whole, or not at all when it has more than `limit` bytes.
pub(crate) async fn read(response: &mut Response, limit: usize) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let announced =
        response.content_length().map_or(FIRST_CAPACITY_BYTES, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > limit && response.content_length().is_some() {
        return Err(BodyError::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        let needed = body.len() + chunk.len();
        if needed > limit {
            return Err(BodyError::TooLarge);
        }
        if needed > body.capacity() {
            // A growing Vec leaves its old bytes behind: move by hand, so that the old buffer is wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * body.capacity())));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
