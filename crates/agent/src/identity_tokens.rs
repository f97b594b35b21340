//! Tokens of the agent's own service account that the server may show to a Vault, where a source is read as the cluster.
//!
//! They are projected into the pod, one for each audience, and exchanged by the kubelet while they are in use. A token that the API server would
//! take is never sent: whoever has it can act as the agent in its own cluster.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_proto::v1::IdentityTokens;
use serde::Deserialize;

/// How often the files are looked at. The kubelet exchanges a token from four fifths of its life on, which is ten minutes at least.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The largest token, in bytes. Kubernetes' have about 1 KiB.
const TOKEN_MAX_BYTES: u64 = 16 << 10;
/// Where a pod's own token for the API server is.
const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What is shown. Two are the same if their bytes are.
pub(crate) type Shown = BTreeSet<String>;

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    aud: Audiences,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Audiences {
    fn list(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// Reads the files. What cannot be sent is left out, and said in the log.
pub(crate) fn read(files: &[PathBuf]) -> Shown {
    if files.is_empty() {
        return Shown::new();
    }
    let api = text(Path::new(API_TOKEN)).ok().and_then(|token| claims(&token));
    let api = api.as_ref().map_or(&[][..], |claims| claims.aud.list());
    let mut shown = Shown::new();
    for file in files {
        match text(file).and_then(|token| fit(token, api)) {
            Ok(token) => drop(shown.insert(token)),
            Err(reason) => tracing::warn!(file = %file.display(), reason, "an identity token is not sent"),
        }
    }
    shown
}

/// As the protocol carries them.
pub(crate) fn message(shown: &Shown) -> IdentityTokens {
    IdentityTokens { tokens: shown.iter().cloned().collect() }
}

fn text(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|e| e.to_string())?.len();
    if size > TOKEN_MAX_BYTES {
        return Err(format!("it has {size} bytes, which is no token"));
    }
    std::fs::read_to_string(file).map(|text| text.trim().to_owned()).map_err(|e| e.to_string())
}

/// The token, if it may leave the cluster. `api`: the audiences of the API server, where they are known; its issuer is one where nobody has configured
/// another.
fn fit(token: String, api: &[String]) -> Result<String, String> {
    let claims = claims(&token).ok_or("it is no JWT")?;
    let [audience] = claims.aud.list() else {
        return Err("it must be for exactly one audience".to_owned());
    };
    if *audience == claims.iss || api.contains(audience) {
        return Err("it opens the API server of this cluster: ask for a token of another audience, such as vault".to_owned());
    }
    Ok(token)
}

/// Nothing is checked: the Vault does that.
fn claims(token: &str) -> Option<Claims> {
    let (_, rest) = token.split_once('.')?;
    let (claims, _) = rest.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn token(claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", encode(&json!({"alg": "RS256"})), encode(claims))
    }

    #[test]
    fn a_token_leaves_the_cluster_only_if_the_api_server_would_not_take_it() {
        let api = ["https://api.example.com".to_owned()];
        for (claims, refused) in [
            (json!({"iss": "https://issuer", "aud": ["vault"]}), None),
            (json!({"iss": "https://issuer", "aud": "vault"}), None),
            (json!({"iss": "https://issuer", "aud": ["https://issuer"]}), Some("opens the API server")),
            (json!({"iss": "https://issuer", "aud": ["https://api.example.com"]}), Some("opens the API server")),
            (json!({"iss": "https://issuer", "aud": ["vault", "https://issuer"]}), Some("exactly one")),
            (json!({"iss": "https://issuer"}), Some("exactly one")),
        ] {
            let told = fit(token(&claims), &api).err();
            assert_eq!(told.is_some(), refused.is_some(), "{claims}: {told:?}");
            assert!(told.unwrap_or_default().contains(refused.unwrap_or_default()), "{claims}");
        }
        assert_eq!(fit("a join token".to_owned(), &api), Err("it is no JWT".to_owned()));
    }

    #[test]
    fn a_file_that_cannot_be_sent_keeps_no_other_back() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let good = token(&json!({"iss": "https://issuer", "aud": ["vault"]}));
        let files = [folder.path().join("missing"), write("long", &"x".repeat(20_000)), write("good", &format!("{good}\n"))];
        assert_eq!(read(&files), Shown::from([good]));
    }
}
