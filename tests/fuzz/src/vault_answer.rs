//! What a Vault answers to a read of a secret. The server believes its own Vaults, and yet no error may say what is in there.

use lockstep_vault::fuzzing::keys;

use crate::{MATERIAL, Target};

/// The target.
pub const TARGET: Target = Target { name: "vault_answer", run, seeds };

/// The first byte chooses the status, the rest is the body.
fn run(data: &[u8]) {
    let Some((status, body)) = data.split_first() else { return };
    let status = [200, 404, 400, 403, 429, 503][usize::from(*status) % 6];
    match keys(status, body.to_vec()) {
        Ok(keys) => {
            assert_eq!(status, 200, "a refusal has no keys");
            // Names of keys are no material.
            for value in keys.values() {
                assert!(!format!("{value:?}").contains(MATERIAL), "a value shows");
            }
        }
        Err(error) => assert!(!format!("{error} {error:?}").contains(MATERIAL), "an error quotes the answer: {status}"),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let metadata = r#""metadata":{"created_time":"2026-01-02T03:04:05.678Z","deletion_time":"","destroyed":false,"version":3}"#;
    let bodies = [
        format!(r#"{{"data":{{"data":{{"password":"{MATERIAL}","n":1.50,"o":{{"a":[null]}}}},{metadata}}}}}"#),
        format!(r#"{{"data":{{"data":{{"{MATERIAL}":"\ud83d\ude00 \u003c"}},{metadata}}}}}"#),
        format!(r#"{{"data":{{"data":"{MATERIAL}",{metadata}}}}}"#),
        format!(r#"{{"data":{{"data":null,{}}}}}"#, metadata.replace("false", "true")),
        format!(r#"{{"errors":["{MATERIAL}"]}}"#),
        format!(r#"{{"request_id":"x","data":{{"metadata":{{"version":"{MATERIAL}"}}}}}}"#),
    ];
    let with_status = |(index, body): (u8, String)| (0..2).map(move |status| [&[index * 2 + status], body.as_bytes()].concat());
    (0..).zip(bodies).flat_map(with_status).collect()
}
