//! Joining without a join token: the cluster's own issuer of service account tokens says who the agent is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most keys of one cluster. It publishes two or three at a time.
pub const KEYS_MAX: usize = 16;
/// The longest issuer, subject or audience, in bytes.
pub const TEXT_MAX_BYTES: usize = 512;

/// Whose tokens an agent of the cluster may join with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccountIssuer {
    /// As the tokens have it in `iss`.
    pub issuer: String,
    /// The agent's account, as the tokens have it in `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// The one audience of such a token, which no other service takes.
    pub audience: String,
    /// The issuer's public keys, as a JWK set (RFC 7517).
    pub jwks: Value,
}

/// A parameter of a key that is not public.
pub fn private_parameter(jwks: &Value) -> Option<&'static str> {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let keys = jwks.get("keys")?.as_array()?;
    PRIVATE.into_iter().find(|name| keys.iter().any(|key| key.get(name).is_some()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_could_sign_is_told_from_one_that_only_checks() {
        assert_eq!(private_parameter(&json!({"keys": [{"kty": "RSA", "n": "a", "e": "AQAB"}]})), None);
        assert_eq!(private_parameter(&json!({"keys": [{"kty": "EC"}, {"kty": "EC", "d": "a"}]})), Some("d"));
        assert_eq!(private_parameter(&json!({"keys": [{"kty": "oct", "k": "a"}]})), Some("k"));
        assert_eq!(private_parameter(&json!([])), None);
    }
}
