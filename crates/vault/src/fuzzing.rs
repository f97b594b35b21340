//! What fuzzing reaches into: how answers are taken apart, without a server to give them.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use lockstep_core::material::Material;
use zeroize::Zeroizing;

use crate::answer::Answer;
use crate::error::VaultError;
use crate::kv::versioned;
use crate::request::{Operation, Request};

/// The keys in an answer to a read of a secret.
pub fn keys(status: u16, body: Vec<u8>) -> Result<BTreeMap<String, Material>, VaultError> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    let answer = Answer { status, retry_after: None, body: Zeroizing::new(body), address: "https://vault.test".to_owned() };
    let path = "kv/data/team/db".to_owned();
    let request = Request { operation: Operation::Read, method: Method::GET, path, query: None, body: None };
    versioned(&answer, &request).map(|read| read.keys)
}
