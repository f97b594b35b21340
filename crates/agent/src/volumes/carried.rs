//! An answer keeps its turn until its last byte was sent, or cannot be any more.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tonic::body::Body;

use super::turns::Turn;

/// Bytes with the turn of the request that they answer. They wait in the connection's buffers, where nothing else tells how many there are.
struct Carried {
    bytes: Bytes,
    _turn: Arc<Turn>,
}

impl AsRef<[u8]> for Carried {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The response with its turn, which is in its extensions, in its body.
pub(super) fn carry(mut response: http::Response<Body>) -> http::Response<Body> {
    let Some(turn) = response.extensions_mut().remove::<Arc<Turn>>() else { return response };
    let carried = move |bytes| Bytes::from_owner(Carried { bytes, _turn: turn.clone() });
    response.map(|body| Body::new(body.map_frame(move |frame| frame.map_data(&carried))))
}
