//! Whose node agents' tokens were found to be, for a short time: of the tokens only a keyed hash is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// How long, so how long a node agent that was deleted may still ask.
const LIFE: Duration = Duration::from_secs(60);
/// The largest clusters have 5,000 nodes, and each has two tokens while one is renewed. Beyond it nothing more is kept.
const COUNT_MAX: usize = 10_000;

/// What is kept.
pub(super) struct Kept {
    /// Of this process alone.
    key: Key,
    nodes: Mutex<HashMap<Vec<u8>, Node>>,
}

struct Node {
    name: String,
    /// In the clock's uptime.
    until: Duration,
}

/// All that is read of a token, which was found good before.
#[derive(Deserialize)]
struct Claims {
    /// Unix seconds.
    exp: i64,
}

impl Kept {
    pub(super) fn new() -> Self {
        let key = Key::new(HMAC_SHA256, &rand::random::<[u8; 32]>());
        Self { key, nodes: Mutex::default() }
    }

    /// The node, if this token was found good a moment ago.
    pub(super) fn get(&self, token: &str, uptime: Duration) -> Option<String> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get(&self.hash(token)).filter(|node| uptime < node.until).map(|node| node.name.clone())
    }

    /// Remembers that it was found good, but not beyond its own end.
    pub(super) fn keep(&self, token: &str, node: &str, uptime: Duration, now: DateTime<Utc>) {
        let Some(left) = expiry(token).and_then(|at| u64::try_from(at - now.timestamp()).ok()) else { return };
        let until = uptime + LIFE.min(Duration::from_secs(left));
        let hash = self.hash(token);
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() >= COUNT_MAX {
            nodes.retain(|_, node| uptime < node.until);
        }
        if nodes.len() < COUNT_MAX {
            nodes.insert(hash, Node { name: node.to_owned(), until });
        }
    }

    fn hash(&self, token: &str) -> Vec<u8> {
        sign(&self.key, token.as_bytes()).as_ref().to_vec()
    }
}

/// When a token ends by what it says itself, in Unix seconds.
fn expiry(token: &str) -> Option<i64> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&bytes).ok().map(|claims| claims.exp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn token(name: &str, exp: &str) -> String {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"sub\":\"{name}\"{exp}}}"));
        format!("head.{claims}.signature")
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_node_is_known_for_a_minute_but_not_beyond_its_tokens_end() {
        let kept = Kept::new();
        let (long, short) = (token("a", ",\"exp\":3600"), token("b", ",\"exp\":5"));
        kept.keep(&long, "n1", seconds(100), NOW);
        kept.keep(&short, "n2", seconds(100), NOW);
        for (token, at, want) in [
            (&long, 100, Some("n1")),
            (&long, 159, Some("n1")),
            (&long, 160, None),
            (&short, 104, Some("n2")),
            (&short, 105, None),
            (&token("c", ",\"exp\":3600"), 100, None),
        ] {
            assert_eq!(kept.get(token, seconds(at)).as_deref(), want, "{token} at {at}");
        }
    }

    #[test]
    fn a_token_whose_end_is_not_known_or_over_is_not_kept() {
        let kept = Kept::new();
        for token in [&token("a", ""), &token("a", ",\"exp\":\"5\""), &token("a", ",\"exp\":-5"), "garbage", ""] {
            kept.keep(token, "n1", seconds(0), NOW);
            assert_eq!(kept.get(token, seconds(0)), None, "{token}");
        }
    }

    #[test]
    fn their_number_is_bounded_and_what_ended_makes_room() {
        let kept = Kept::new();
        let many: Vec<String> = (0..=COUNT_MAX).map(|i| token(&i.to_string(), ",\"exp\":3600")).collect();
        for token in &many {
            kept.keep(token, "n", seconds(0), NOW);
        }
        assert_eq!(kept.get(&many[COUNT_MAX], seconds(1)), None, "one too many");
        assert!(kept.get(&many[0], seconds(1)).is_some());
        kept.keep(&many[COUNT_MAX], "n", seconds(61), NOW);
        assert!(kept.get(&many[COUNT_MAX], seconds(61)).is_some());
        assert_eq!(kept.nodes.lock().unwrap().len(), 1);
    }
}
