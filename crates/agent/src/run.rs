//! `lockstep-agent run`: joins if needed, then keeps the link.

use std::sync::Arc;

use prometheus::Registry;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::agent::{Agent, AgentError, Surroundings};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::command::RunArguments;
use crate::holdings::Holdings;
use crate::join;
use crate::link;
use crate::metrics::Metrics;
use crate::probe;
use crate::sink::Sinks;
use crate::sink::directory::Directory;
use crate::state::StateDir;
use crate::state::identity::{self, Identity};
use crate::state::keyring::KeyRing;
use crate::state::ledger::Ledger;

/// The longest join token, in bytes.
const TOKEN_MAX_BYTES: u64 = 4096;

/// Runs until `stop` is cancelled, or until it makes no sense any more.
pub async fn run(
    arguments: RunArguments,
    clock: Arc<dyn Clock>,
    registry: Registry,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let metrics = Metrics::register(&registry).map_err(|e| AgentError::Metrics(e.to_string()))?;
    let probe = match arguments.metrics_listen {
        None => None,
        Some(address) => Some(probe::bind(address).await.map_err(|e| AgentError::Metrics(format!("{address}: {e}")))?),
    };
    let probe_stop = CancellationToken::new();
    let serving = probe.map(|listener| {
        let connected = metrics.connected.clone();
        tokio::spawn(probe::serve(listener, registry, connected, probe_stop.clone()))
    });
    let surroundings = Surroundings { clock, metrics, stop, renewal_jitter: rand::rng().random() };
    let ended = join_and_link(arguments, surroundings).await;
    probe_stop.cancel();
    if let Some(serving) = serving {
        let _ = serving.await;
    }
    ended
}

async fn join_and_link(arguments: RunArguments, surroundings: Surroundings) -> Result<(), AgentError> {
    let state = StateDir::ensure(&arguments.state_dir)?;
    let _lock = state.lock()?;
    let holdings = load_holdings(&state, &arguments)?;
    let joined = match identity::load(&state)? {
        Some(identity) => Some(identity),
        None => join(&state, &arguments, &surroundings.stop).await?,
    };
    let Some(identity) = joined else { return Ok(()) };
    link::run(&Agent::new(arguments, state, surroundings, identity, holdings)).await
}

fn load_holdings(state: &StateDir, arguments: &RunArguments) -> Result<Holdings, AgentError> {
    let directory = Directory::open(&arguments.directory_root)?;
    Ok(Holdings::new(Ledger::load(state)?, KeyRing::load(state)?, Sinks { directory: Some(Arc::new(directory)), secrets: None, touched: Arc::default() }))
}

/// Joins, however long no server answers; `None` when asked to end before.
async fn join(state: &StateDir, arguments: &RunArguments, stop: &CancellationToken) -> Result<Option<Identity>, AgentError> {
    let (Some(token_file), Some(pin), false) = (&arguments.token_file, arguments.pin, arguments.join_servers.is_empty()) else {
        return Err(AgentError::NotJoined);
    };
    let mut backoff = Backoff::default();
    let mut servers = arguments.join_servers.clone();
    loop {
        // Read at every round: it may be put in place, or replaced, while the agent waits.
        let token = read_token(token_file)?;
        servers.shuffle(&mut rand::rng());
        for server in &servers {
            let joined = tokio::select! {
                joined = join::join(state, server, pin, &token) => joined,
                () = stop.cancelled() => return Ok(None),
            };
            match joined {
                Ok(identity) => {
                    tracing::info!(%server, cluster = %identity.cluster, name = identity.cluster_name, "joined");
                    return Ok(Some(identity));
                }
                Err(error) if error.is_final() => return Err(error.into()),
                Err(error) => tracing::warn!(%server, %error, "cannot join yet"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next(&mut rand::rng())) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

fn read_token(path: &std::path::Path) -> Result<Zeroizing<String>, AgentError> {
    let failed = |cause: String| AgentError::Token { path: path.to_owned(), cause };
    let size = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
    if size > TOKEN_MAX_BYTES {
        return Err(failed(format!("it has {size} bytes, which is no token")));
    }
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| failed(e.to_string()))?;
    match text.trim() {
        "" => Err(failed("it is empty".to_owned())),
        token => Ok(Zeroizing::new(token.to_owned())),
    }
}
