//! A source that fails is left alone for longer and longer, and the lease is kept meanwhile.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use lockstep_testbed::wait;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{LIMIT, Watched};

/// Stands in for a Vault that answers the same to everything, which no real one can be made to: and notes when it was asked.
struct Refusing {
    address: String,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Refusing {
    /// Answers with this status line, this header and this error.
    async fn start(status: &str, header: &str, said: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let asked = Arc::<Mutex<Vec<Instant>>>::default();
        let body = json!({ "errors": [said] }).to_string();
        let answer =
            format!("HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let noted = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                // What cannot be answered is a broken connection: as good a refusal.
                let _ = refuse(stream, &answer).await;
            }
        });
        Ok(Self { address, asked })
    }

    /// The pauses between what it was asked.
    fn pauses(&self) -> Vec<Duration> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

async fn refuse(mut stream: TcpStream, answer: &str) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(stream.read_buf(&mut request).await? > 0, "it was closed");
    }
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

#[tokio::test]
async fn a_source_that_keeps_failing_is_left_alone_for_longer_than_a_round_of_the_lease() -> Result<()> {
    let vault = Refusing::start("503 Service Unavailable", "x-any: thing", "Vault is sealed").await?;
    let lease = Duration::from_secs(3);
    let watched = Watched::at(&vault.address, "s.any", lease).await?;
    watched.bind("kv", &["db"]).await?;
    let watching = watched.watch()?;
    wait::until("a pause of two rounds", LIMIT, async || vault.pauses().into_iter().any(|pause| pause > lease * 2 / 3)).await?;
    println!("pauses: {:.1?}", vault.pauses());
    watching.end().await
}

#[tokio::test]
async fn a_source_that_asks_to_be_left_alone_is_for_longer_than_a_lease_lives_and_the_lease_is_kept() -> Result<()> {
    is_left_alone("429 Too Many Requests").await
}

/// As a proxy or load balancer says it.
#[tokio::test]
async fn a_source_that_is_unavailable_may_ask_the_same() -> Result<()> {
    is_left_alone("503 Service Unavailable").await
}

async fn is_left_alone(status: &str) -> Result<()> {
    let vault = Refusing::start(status, "retry-after: 8", "not now").await?;
    let watched = Watched::at(&vault.address, "s.any", Duration::from_secs(4)).await?;
    watched.bind("kv", &["db"]).await?;
    let watching = watched.watch()?;
    let pause = wait::until("a second request", LIMIT, async || vault.pauses().first().copied()).await?;
    println!("it came after {pause:.1?}");
    assert!(pause >= Duration::from_secs(8), "{pause:?}");
    let terms: i64 = sqlx::query_scalar("select token from lease where name = 'watch/corp'").fetch_one(&watched.app.pool).await?;
    assert_eq!(terms, 1, "the lease was lost meanwhile: another replica would have knocked");
    watching.end().await
}
