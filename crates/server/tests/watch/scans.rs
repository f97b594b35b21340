//! A tree that cannot be scanned is looked at all the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::OpenBao;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{Watched, is_at};
use crate::relay::{self, Fate};

/// More than are asked for one by one where the server can scan.
const SECRETS: usize = 12;

fn paths() -> Vec<String> {
    (0..SECRETS).map(|number| format!("p/{number:02}")).collect()
}

async fn watched_at_every_version(mount: &str, fate: Fate) -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv(mount).await?;
    let of_scans = move |line: &str| if line.contains("scan=true") { fate } else { Fate::Passed };
    let watched = Watched::at(&relay::before(bao, of_scans).await?, bao.root_token(), Duration::from_secs(2)).await?;
    let paths = paths();
    watched.bind(mount, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut watching = None;
    for version in [1, 2] {
        for path in &paths {
            bao.kv_put(mount, path, &json!({ "p": "x" })).await?;
        }
        if watching.is_none() {
            watching = Some(watched.watch()?);
        }
        watched.until_all("every secret", |s| is_at(s, version)).await?;
    }
    watching.context("it was started")?.end().await
}

/// After a scan that took as long as a call may, this short lease has no time left for another request.
#[tokio::test]
async fn one_whose_scan_takes_longer_than_a_call_may() -> Result<()> {
    watched_at_every_version("scan-slow", Fate::Lost).await
}

#[tokio::test]
async fn one_whose_scan_breaks_the_server() -> Result<()> {
    watched_at_every_version("scan-broken", Fate::Broken).await
}

/// Stands in for a Vault that scans in pages, which OpenBao 2.7 does not, and knows [`paths`] at version 1. It is asked for nothing else.
async fn paging() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = answer(stream).await;
        }
    });
    Ok(address)
}

async fn answer(mut stream: TcpStream) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "it was closed");
    }
    let head = String::from_utf8(head)?;
    let target = head.split_whitespace().nth(1).context("a target")?;
    let query: BTreeMap<_, _> = target.split(['?', '&']).filter_map(|pair| pair.split_once('=')).collect();
    let (after, limit) = (query.get("after").copied().unwrap_or_default(), query.get("limit").context("a limit")?.parse()?);
    let time = "2026-01-02T03:04:05Z";
    let fields = json!({ "created_time": time, "deletion_time": "", "destroyed": false });
    let metadata = json!({ "created_time": time, "current_version": 1, "versions": { "1": fields } });
    let names = paths().into_iter().map(|path| path.replace("p/", ""));
    let page: Vec<String> = names.filter(|name| name.as_str() > after).take(limit).collect();
    let infos: BTreeMap<&String, &Value> = page.iter().map(|name| (name, &metadata)).collect();
    let body = json!({ "data": { "keys": page, "key_info": infos } }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

#[tokio::test]
async fn one_that_has_more_pages_than_a_term_of_the_lease_has_requests_for() -> Result<()> {
    // Six pages, one a second at most, in terms that have time for one or two.
    let watched = Watched::paged(&paging().await?, "s.any", Duration::from_secs(3), 1, 2).await?;
    watched.bind("kv", &paths().iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let watching = watched.watch()?;
    watched.until_all("every secret", |s| is_at(s, 1)).await?;
    watching.end().await
}
