//! The generated code is checked in, so that nobody needs a protobuf compiler. This test keeps it current:
//! `LOCKSTEP_BLESS=1 cargo test -p lockstep-proto` writes it anew.

use std::path::PathBuf;

/// The protocols, and of each the messages that carry plaintext or credentials: their `Debug` is in `redact.rs`.
const PROTOCOLS: [(&str, &str, &[&str]); 3] = [
    ("lockstep/agent/v1/agent.proto", "lockstep.agent.v1", &["Entry", "Welcome", "JoinRequest", "IdentityTokens"]),
    ("lockstep/node/v1/node.proto", "lockstep.node.v1", &["Entry", "ReadRequest", "CacheKey"]),
    ("secrets_store/v1alpha1/provider.proto", "v1alpha1", &["MountRequest", "File"]),
];

#[test]
fn generated_code_is_current() {
    // Of the checkout that cargo runs, which need not be the one that this was built in.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap();
    for (proto, package, hidden) in PROTOCOLS {
        let descriptors = protox::compile([root.join("proto").join(proto)], [root.join("proto")]).unwrap();
        let out = tempfile::tempdir().unwrap();
        tonic_prost_build::configure()
            .bytes(".none")
            .btree_map(".")
            .skip_debug(hidden.iter().map(|message| format!(".{package}.{message}")))
            .out_dir(out.path())
            .compile_fds(descriptors)
            .unwrap();
        let file = format!("{package}.rs");
        let new = std::fs::read_to_string(out.path().join(&file)).unwrap();
        let checked_in = root.join("src/gen").join(&file);
        if std::env::var_os("LOCKSTEP_BLESS").is_some() {
            std::fs::write(&checked_in, &new).unwrap();
        }
        let old = std::fs::read_to_string(&checked_in).unwrap_or_default();
        assert!(old == new, "src/gen/{file} is not what {proto} gives: run LOCKSTEP_BLESS=1 cargo test -p lockstep-proto");
    }
}
