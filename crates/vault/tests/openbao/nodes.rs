//! Several addresses of one Vault.

use std::time::{Duration, Instant};

use lockstep_core::version::Seen;
use lockstep_testbed::{OpenBao, Relay, port};
use lockstep_vault::{Health, VaultError};

use crate::fixture::{kv, path, with};

#[tokio::test]
async fn a_node_that_is_down_or_sealed_is_passed_over() {
    let (bao, mount, _) = kv("node-down").await;
    let down = format!("http://127.0.0.1:{}", port::free().unwrap());
    let sealed = OpenBao::start().await.unwrap();
    sealed.seal().await.unwrap();
    let client = with(bao.root_token(), |_| {}, &[&down, sealed.addr(), bao.addr()]);
    assert_eq!(client.vault.metadata(&mount, &path("db")).await, Ok(Seen::Nothing));
    assert_eq!(client.vault.health().await, Ok(Health::Active));

    let client = with(bao.root_token(), |_| {}, &[&down, sealed.addr()]);
    assert_eq!(client.vault.metadata(&mount, &path("db")).await, Err(VaultError::Sealed));
    assert_eq!(client.vault.health().await, Ok(Health::Sealed));
}

#[tokio::test]
async fn a_node_that_hangs_leaves_time_for_the_next_which_is_kept() {
    let (bao, mount, _) = kv("node-hangs").await;
    let hangs = Relay::start(bao.socket_addr()).await.unwrap();
    hangs.half_open();
    let address = format!("http://{}", hangs.addr());
    let limit = Duration::from_secs(2);
    let client = with(bao.root_token(), |settings| settings.timeout = limit, &[&address, bao.addr()]);
    assert_eq!(client.vault.metadata(&mount, &path("db")).await, Ok(Seen::Nothing));
    let began = Instant::now();
    assert_eq!(client.vault.metadata(&mount, &path("db")).await, Ok(Seen::Nothing));
    assert!(began.elapsed() < limit / 2, "the node that works is asked first");

    let alone = with(bao.root_token(), |settings| settings.timeout = limit / 4, &[&address]);
    let metadata = alone.vault.metadata(&mount, &path("db")).await;
    assert_eq!(metadata, Err(VaultError::Timeout { after: limit / 4 }));
}
