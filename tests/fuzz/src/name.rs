//! Names, paths, identities and numbers that are written as text.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use lockstep_core::history::ChangeHash;
use lockstep_core::id::BindingId;
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::name::{NAME_MAX_BYTES, ProjectName, SecretName};
use lockstep_core::spiffe::{AgentIdentity, TrustDomain};
use lockstep_core::trace::TraceId;

use crate::{Target, text, texts};

/// The target.
pub const TARGET: Target = Target { name: "name", run, seeds };

fn run(data: &[u8]) {
    let text = text(data);
    if let Some(name) = same::<ProjectName>(&text) {
        assert!((1..=NAME_MAX_BYTES).contains(&name.as_str().len()) && name.as_str() == text);
    }
    if same::<SecretName>(&text).is_some() {
        assert!(text.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')), "{text}");
    }
    for path in [same::<KvPath>(&text).map(String::from), same::<KvMount>(&text).map(String::from)].into_iter().flatten() {
        assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{path:?} leaves its place");
        assert!(!path.contains(|c: char| c.is_control() || "?#%\\".contains(c)), "{path:?} is more than a path");
    }
    // Only one spelling of an identity is one.
    if let Ok(identity) = text.parse::<AgentIdentity>() {
        assert_eq!(identity.to_string(), text);
    }
    same::<TrustDomain>(&text);
    same::<BindingId>(&text);
    same::<TraceId>(&text);
    same::<ChangeHash>(&text);
}

/// What is written of it is read as the same.
fn same<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let read = text.parse::<T>().ok()?;
    assert!(read.to_string().parse::<T>().is_ok_and(|again| again == read), "{read:?} is read as another");
    Some(read)
}

fn seeds() -> Vec<Vec<u8>> {
    texts([
        "payments",
        "checkout-db.v1",
        "payments/checkout/db",
        "kv/team-a",
        "lockstep.test",
        "spiffe://lockstep.test/cluster/018f3c5e-0000-7000-8000-000000000001/agent/018f3c5e-0000-7000-8000-000000000002",
        "018f3c5e-0000-7000-8000-000000000001",
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f",
        "a/../b",
    ])
}
