//! A TCP relay that can be told to be slow, to break and to fall silent.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// How the relay treats its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes bytes, each chunk this much later than it came.
    Pass(Duration),
    /// Accepts and keeps links, and passes no byte: what a dead peer behind a firewall looks like.
    HalfOpen,
    /// Closes all links, and new ones as soon as they come.
    Cut,
}

/// Passes connections on to a target. Lives until it is dropped; belongs to the runtime it was started on.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Counts how often the links of the moment were abandoned.
    abandoned: watch::Sender<u64>,
    accepting: AbortHandle,
}

impl Relay {
    /// Starts a relay on a free loopback port. The target need not listen yet.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("starting a relay")?;
        let addr = listener.local_addr()?;
        let (mode, watcher) = watch::channel(Mode::Pass(Duration::ZERO));
        let (abandoned, abandoning) = watch::channel(0);
        let accepting = tokio::spawn(accept(listener, target, watcher, abandoning)).abort_handle();
        Ok(Self { addr, mode, abandoned, accepting })
    }

    /// Where to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Passes each chunk this much later, in both directions; zero is no delay.
    pub fn delay(&self, by: Duration) {
        self.mode.send_replace(Mode::Pass(by));
    }

    /// Closes all links and refuses new ones: a client that connects is closed at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Keeps links open and accepts new ones, but passes no byte. What was sent meanwhile is passed after [`Relay::heal`].
    pub fn half_open(&self) {
        self.mode.send_replace(Mode::HalfOpen);
    }

    /// The present links stay open and never pass another byte; new ones are good. What a firewall does that forgot its
    /// connections.
    pub fn abandon(&self) {
        self.abandoned.send_modify(|times| *times += 1);
    }

    /// Passes everything again, without delay; not over links that were abandoned.
    pub fn heal(&self) {
        self.mode.send_replace(Mode::Pass(Duration::ZERO));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        // Links end too, as the mode's sender goes with the relay.
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, mode: watch::Receiver<Mode>, abandoned: watch::Receiver<u64>) {
    // An accept fails when the process is out of file descriptors, and then again and again: the relay is of no use.
    while let Ok((client, _)) = listener.accept().await {
        if *mode.borrow() == Mode::Cut {
            reset(client);
            continue;
        }
        let mut abandoned = abandoned.clone();
        abandoned.mark_unchanged();
        tokio::spawn(link(client, target, mode.clone(), abandoned));
    }
}

/// Closes with RST instead of FIN: the nearest that an accepting socket comes to a refusal.
fn reset(client: TcpStream) {
    let _ = client.set_zero_linger();
    drop(client);
}

async fn link(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>, mut abandoned: watch::Receiver<u64>) {
    let mut cut = mode.clone();
    let mut passing = pin!(async {
        // No target, no link: the client sees it closed, as it would without a relay.
        let Ok(server) = TcpStream::connect(target).await else { return };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(copy(from_client, to_server, mode.clone()), copy(from_server, to_client, mode));
    });
    tokio::select! {
        () = &mut passing => {}
        () = cut_or_gone(&mut cut) => {}
        // `passing` stays, with its sockets open, and is never polled again.
        _ = abandoned.changed() => cut_or_gone(&mut cut).await,
    }
}

/// Waits until links are cut, or the relay is gone.
async fn cut_or_gone(mode: &mut watch::Receiver<Mode>) {
    let _ = mode.wait_for(|mode| *mode == Mode::Cut).await;
}

/// Copies until either side closes. Bytes that are under way when the mode changes follow the new one.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length) = from.read(&mut buffer).await {
        let Ok(delay) = passing(&mut mode).await else { return };
        tokio::time::sleep(delay).await;
        if passing(&mut mode).await.is_err() || length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Waits until the relay passes bytes, and says how late.
async fn passing(mode: &mut watch::Receiver<Mode>) -> Result<Duration, watch::error::RecvError> {
    let mode = *mode.wait_for(|mode| matches!(mode, Mode::Pass(_))).await?;
    Ok(match mode {
        Mode::Pass(delay) => delay,
        Mode::HalfOpen | Mode::Cut => Duration::ZERO,
    })
}
