//! The relay: slow, silent, cut, healed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::Relay;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const DELAY: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(10);

/// A server that sends back what it gets.
async fn echo() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    Ok(addr)
}

async fn ping(stream: &mut TcpStream) -> Result<Duration> {
    let start = Instant::now();
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    timeout(LIMIT, stream.read_exact(&mut answer)).await??;
    assert_eq!(&answer, b"ping");
    Ok(start.elapsed())
}

#[tokio::test]
async fn bytes_pass_and_a_delay_counts_both_ways() -> Result<()> {
    let relay = Relay::start(echo().await?).await?;
    let mut stream = TcpStream::connect(relay.addr()).await?;
    assert!(ping(&mut stream).await? < DELAY);
    relay.delay(DELAY);
    assert!(ping(&mut stream).await? >= DELAY * 2);
    relay.heal();
    assert!(ping(&mut stream).await? < DELAY);
    Ok(())
}

#[tokio::test]
async fn a_cut_closes_links_and_refuses_new_ones_until_healed() -> Result<()> {
    let relay = Relay::start(echo().await?).await?;
    let mut stream = TcpStream::connect(relay.addr()).await?;
    ping(&mut stream).await?;
    relay.cut();
    let mut buffer = [0; 1];
    assert!(matches!(timeout(LIMIT, stream.read(&mut buffer)).await?, Ok(0) | Err(_)), "the link is closed");
    let mut refused = TcpStream::connect(relay.addr()).await?;
    assert!(matches!(timeout(LIMIT, refused.read(&mut buffer)).await?, Ok(0) | Err(_)), "so is a new one");
    relay.heal();
    ping(&mut TcpStream::connect(relay.addr()).await?).await?;
    Ok(())
}

#[tokio::test]
async fn half_open_keeps_links_and_passes_nothing_until_healed() -> Result<()> {
    let relay = Relay::start(echo().await?).await?;
    let mut old = TcpStream::connect(relay.addr()).await?;
    ping(&mut old).await?;
    relay.half_open();
    let mut new = TcpStream::connect(relay.addr()).await?;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"ping").await?;
        let mut buffer = [0; 4];
        assert!(timeout(DELAY, stream.read(&mut buffer)).await.is_err(), "no byte and no end");
    }
    relay.heal();
    for stream in [&mut old, &mut new] {
        let mut buffer = [0; 4];
        timeout(LIMIT, stream.read_exact(&mut buffer)).await??;
        assert_eq!(&buffer, b"ping");
    }
    Ok(())
}
