//! Which fields an agent has to name something with. No message says which cluster speaks: that is in the certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What an agent sends: over its stream, and when it joins or renews.
const SENT: [&str; 4] = ["AgentMessage", "JoinRequest", "ChallengeRequest", "RenewRequest"];

/// Every field of bytes or text in these. A new one is looked at here: whether it can name what is another cluster's, and if so,
/// `tests/protocol/foreign.rs` shows what comes of it.
const TEXTS: [(&str, &str); 26] = [
    // The bindings that it speaks of may be another cluster's.
    ("Held.binding", "a binding"),
    ("Ack.binding", "a binding"),
    ("Reject.binding", "a binding"),
    ("Need.bindings", "bindings"),
    ("Report.drifted", "bindings"),
    ("RestartReport.binding", "a binding"),
    // The one field with a cluster in it. It gives nothing: a token of another cluster is refused.
    ("JoinRequest.cluster", "a cluster"),
    // Whose they are is looked up, and the key must be the one on record.
    ("ChallengeRequest.certificate_der", "an agent"),
    ("RenewRequest.certificate_der", "an agent"),
    // Nothing is taken from a request but its public key.
    ("CertificateRequest.csr_der", "a key"),
    ("JoinRequest.csr_der", "a key"),
    ("RenewRequest.csr_der", "a key"),
    ("JoinRequest.token", "a secret"),
    // Whose it is decides the Vault that it is shown to, where the login is the speaking cluster's.
    ("IdentityTokens.tokens", "a secret"),
    ("RenewRequest.nonce", "nothing"),
    ("RenewRequest.signature", "nothing"),
    ("Hello.version", "nothing"),
    ("Hello.sinks", "nothing"),
    // A lie about its own trust is counted for its own cluster.
    ("Hello.roots", "nothing"),
    ("Trusting.roots", "nothing"),
    ("Trusting.public_key", "a key"),
    ("Mark.hash", "a change"),
    ("Digest.key", "a digest key"),
    ("Digest.hmac", "nothing"),
    ("Reject.cause", "nothing"),
    ("Ack.trace", "an observation"),
];

/// The same as above, where there are several of one kind.
const MORE: [&str; 3] = ["Reject.trace", "RestartReport.stuck", "RestartReport.skipped"];

#[test]
fn an_agent_names_no_cluster_but_in_one_field_that_gives_nothing() {
    // Of the checkout that cargo runs, which need not be the one that this was built in.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap();
    let set = protox::compile([root.join("proto/lockstep/agent/v1/agent.proto")], [root.join("proto")]).unwrap();
    let messages: BTreeMap<&str, _> = set.file.iter().flat_map(|f| &f.message_type).map(|m| (m.name(), m)).collect();
    let (mut texts, mut known, mut waiting) = (BTreeSet::new(), BTreeSet::new(), SENT.map(str::to_owned).to_vec());
    while let Some(name) = waiting.pop() {
        if !known.insert(name.clone()) {
            continue;
        }
        for field in &messages[name.as_str()].field {
            match format!("{:?}", field.r#type()).as_str() {
                "Bytes" | "String" => drop(texts.insert(format!("{name}.{}", field.name()))),
                "Message" => waiting.push(field.type_name().rsplit('.').next().unwrap().to_owned()),
                _ => {}
            }
        }
    }
    assert!(known.len() > 10, "{known:?}");
    let want: BTreeSet<String> = TEXTS.iter().map(|(field, _)| *field).chain(MORE).map(str::to_owned).collect();
    assert_eq!(texts, want);
    let clusters: Vec<_> = TEXTS.iter().filter(|(_, names)| *names == "a cluster").map(|(field, _)| *field).collect();
    assert_eq!(clusters, ["JoinRequest.cluster"]);
}
