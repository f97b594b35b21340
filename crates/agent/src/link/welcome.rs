//! The server's greeting, checked.

use std::time::Duration;

use lockstep_core::digest::{ClusterKey, DIGEST_BYTES, DigestKeyId};
use lockstep_core::id::RegistryId;
use lockstep_proto::convert::{ProtocolError, registry_id};
use lockstep_proto::v1;

/// Bounds on the intervals that a server may ask for: neither a storm nor silence.
const INTERVAL_MIN: Duration = Duration::from_millis(50);
const INTERVAL_MAX: Duration = Duration::from_hours(1);
/// Used where the server says nothing.
const HEARTBEAT_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
/// Used where the server says nothing.
const VERIFY_INTERVAL_DEFAULT: Duration = Duration::from_mins(1);
/// After how many heartbeat intervals of silence the other side is given up.
pub(super) const SILENCE_INTERVALS: u32 = 3;

/// What the server said.
#[derive(Debug)]
pub(super) struct Welcome {
    pub(super) registry: RegistryId,
    pub(super) key: ClusterKey,
    /// How often each side says something.
    pub(super) heartbeat_interval: Duration,
    /// How often what is there is compared with what was applied.
    pub(super) verify_interval: Duration,
    /// Why nothing will be sent, if so.
    pub(super) held: Option<String>,
}

impl TryFrom<v1::Welcome> for Welcome {
    type Error = ProtocolError;
    fn try_from(message: v1::Welcome) -> Result<Self, ProtocolError> {
        let bytes = message.digest_key_bytes;
        let bytes: [u8; DIGEST_BYTES] = bytes.as_slice().try_into().map_err(|_| ProtocolError::Length {
            field: "digest_key_bytes",
            got: bytes.len(),
            want: DIGEST_BYTES,
        })?;
        let limits = message.limits.unwrap_or_default();
        Ok(Self {
            registry: registry_id(&message.registry)?,
            key: ClusterKey::new(DigestKeyId::new(message.digest_key), bytes),
            heartbeat_interval: interval(limits.heartbeat_interval_ms, HEARTBEAT_INTERVAL_DEFAULT),
            verify_interval: interval(limits.verify_interval_ms, VERIFY_INTERVAL_DEFAULT),
            held: Some(message.held).filter(|held| !held.is_empty()),
        })
    }
}

fn interval(asked_ms: u32, default: Duration) -> Duration {
    match asked_ms {
        0 => default,
        asked => Duration::from_millis(asked.into()).clamp(INTERVAL_MIN, INTERVAL_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_bounded_and_have_a_default() {
        let default = Duration::from_secs(7);
        for (asked, want) in [(0, default), (1, INTERVAL_MIN), (500, Duration::from_millis(500)), (u32::MAX, INTERVAL_MAX)] {
            assert_eq!(interval(asked, default), want);
        }
    }

    #[test]
    fn a_greeting_without_key_or_registry_is_refused() {
        assert!(Welcome::try_from(v1::Welcome::default()).is_err());
        let keyed = v1::Welcome { digest_key_bytes: vec![1; DIGEST_BYTES], ..v1::Welcome::default() };
        assert!(Welcome::try_from(keyed.clone()).is_err());
        let whole = Welcome::try_from(v1::Welcome { registry: vec![1; 16], ..keyed }).unwrap();
        assert_eq!((whole.held, whole.heartbeat_interval), (None, HEARTBEAT_INTERVAL_DEFAULT));
    }
}
