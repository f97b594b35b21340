//! What is made for one login only, and cannot be guessed.

use anyhow::anyhow;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The values of one login.
pub(super) struct OneTime {
    /// Comes back with the browser: who does not know it was not sent by us.
    pub(super) state: String,
    /// Comes back in the token: one without it was made for another login.
    pub(super) nonce: String,
    /// Known to this process only; whoever asks for the token must know it.
    pub(super) verifier: String,
}

impl OneTime {
    /// Of 256 random bits each.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { state: random()?, nonce: random()?, verifier: random()? })
    }

    /// What the issuer keeps, to recognise the verifier by (RFC 7636, `S256`).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

fn random() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the system gave no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standards_example() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let one_time = OneTime { state: String::new(), nonce: String::new(), verifier };
        assert_eq!(one_time.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn all_values_differ() {
        let (one, other) = (OneTime::new().unwrap(), OneTime::new().unwrap());
        let mut all = [one.state, one.nonce, one.verifier, other.state, other.nonce, other.verifier];
        all.sort();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]) && all.iter().all(|value| value.len() == 43));
    }
}
