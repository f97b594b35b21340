//! Being told to end: by Ctrl-C, by `kill`, or because the terminal was closed.

use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on. Whoever listens has to end by itself: the signals no longer end the process.
#[derive(Debug)]
pub struct Interrupt {
    ctrl_c: Signal,
    terminate: Signal,
    /// None under `nohup`, which wants the process to outlive its terminal.
    hangup: Option<Signal>,
}

impl Interrupt {
    /// Asks for the signals by name, and before anybody can know of us: started in the background by a shell, a program ignores
    /// SIGINT otherwise.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            ctrl_c: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Waits for one of them.
    pub async fn recv(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether SIGHUP, number 1 and so the mask's lowest bit, is ignored. Where there is no such file, it is not.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
