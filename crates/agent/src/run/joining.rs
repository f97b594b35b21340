//! Joining, however long that takes.

use std::os::unix::fs::MetadataExt as _;

use lockstep_core::exposure;
use nix::unistd::geteuid;
use rand::seq::SliceRandom;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::agent::AgentError;
use crate::backoff::Backoff;
use crate::command::RunArguments;
use crate::join;
use crate::state::State;
use crate::state::identity::Identity;

/// The longest join token, in bytes.
const TOKEN_MAX_BYTES: u64 = 4096;

/// Joins, however long no server answers; `None` when asked to end before.
pub(super) async fn join(
    state: &State,
    arguments: &RunArguments,
    stop: &CancellationToken,
) -> Result<Option<Identity>, AgentError> {
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
                joined = join::join(state, server, pin, &token, &arguments.cluster_name) => joined,
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
    // Of what a link leads to: Kubernetes mounts a Secret's keys as such.
    let metadata = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?;
    let judged = exposure::judge(metadata.mode(), metadata.uid(), geteuid().as_raw());
    judged.map_err(|exposure| failed(format!("it {exposure}")))?;
    let size = metadata.len();
    if size > TOKEN_MAX_BYTES {
        return Err(failed(format!("it has {size} bytes, which is no token")));
    }
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| failed(e.to_string()))?;
    match text.trim() {
        "" => Err(failed("it is empty".to_owned())),
        token => Ok(Zeroizing::new(token.to_owned())),
    }
}
