//! Free loopback ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use uuid::Uuid;

/// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a part that is stopped and
/// started again must find its port still free.
const FIRST: u16 = 15_000;
const COUNT: u16 = 15_000;
const MAX_TRIES: usize = 200;

/// Those that this process was given: a fleet takes a score of them before anybody listens, and would now and then get one twice.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of 127.0.0.1 on which nothing listens, another at each call. It is not reserved, but picked at random from 15,000, so that
/// parts of several processes hardly meet.
pub fn free() -> Result<u16> {
    for _ in 0..MAX_TRIES {
        let [high, low, ..] = *Uuid::new_v4().as_bytes();
        let port = FIRST + u16::from_be_bytes([high, low]) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
        {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 among {FIRST} to {} after {MAX_TRIES} tries", FIRST + COUNT)
}
