//! Between a watcher and a real Vault: some paths come to nothing there, which no real Vault can be made to show of one path.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::OpenBao;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The Vault answers it.
    Passed,
    /// It is answered with 500, as by an engine that broke.
    Broken,
    /// It is never answered.
    Lost,
}

/// Starts one before `bao`, where `fate` decides by the request's first line; answers with its address.
pub(crate) async fn before(bao: &'static OpenBao, fate: impl Fn(&str) -> Fate + Clone + Send + 'static) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let fate = fate.clone();
            // What goes wrong is a broken connection for who asked.
            tokio::spawn(async move { pass(stream, bao, fate).await });
        }
    });
    Ok(address)
}

/// One request a connection: so each is judged.
async fn pass(mut stream: TcpStream, bao: &OpenBao, fate: impl Fn(&str) -> Fate) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "it was closed");
    }
    let head = String::from_utf8(head)?;
    let fate = fate(head.lines().next().context("a request line")?);
    match fate {
        Fate::Broken => {
            let answer = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).await?;
        }
        Fate::Lost => std::future::pending().await,
        Fate::Passed => {
            let mut vault = TcpStream::connect(bao.addr().trim_start_matches("http://")).await?;
            let head = head.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
            vault.write_all(head.as_bytes()).await?;
            tokio::io::copy(&mut vault, &mut stream).await?;
        }
    }
    Ok(stream.shutdown().await?)
}
