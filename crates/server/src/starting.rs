//! Starting: a replica that comes up while Postgres or its home Vault is away, or the Vault is sealed, waits for them. It lives and is not
//! ready meanwhile, and says what it waits for, so that nobody restarts it and nobody sends it requests. What time does not heal (a wrong
//! password, a missing PKI mount) ends it with one sentence.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use lockstep_store::StoreError;
use lockstep_vault::VaultError;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The first pause between two tries, doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// What is waited for now.
type Cause = Arc<Mutex<String>>;

/// A replica that is starting. Dropping it frees the listener for what the replica serves then.
pub struct Starting {
    cause: Cause,
    serving: JoinHandle<()>,
}

impl Starting {
    /// Answers probes from now on.
    pub async fn begin(metrics: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(metrics).await.with_context(|| format!("listening on {metrics}"))?;
        let cause = Cause::default();
        let router =
            Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(not_ready)).with_state(cause.clone());
        let serving = tokio::spawn(async move {
            // It ends with its abortion only.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { cause, serving })
    }

    /// Tries until it works, or fails in a way that time does not heal.
    pub async fn wait_for<T>(&self, what: &str, mut attempt: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut pause = PAUSE_FIRST;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) if !heals(&error) => return Err(error),
                Err(error) => format!("{error:#}"),
            };
            tracing::warn!(error, retry_in_ms = pause.as_millis(), "waiting for {what}");
            *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = format!("waiting for {what}: {error}\n");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    /// Frees the listener.
    pub async fn end(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn not_ready(State(cause): State<Cause>) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, cause.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Whether the same may succeed later with nobody having changed a setting.
fn heals(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<VaultError>().is_some_and(VaultError::is_transient)
            || cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_unavailable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_time_heals_is_waited_for_and_nothing_else() {
        let sealed = anyhow::Error::new(VaultError::Sealed).context("reading the roots").context("the home Vault's PKI");
        assert!(heals(&sealed));
        assert!(heals(&anyhow::Error::new(StoreError::Silent { after: PAUSE_FIRST }).context("connecting to Postgres")));
        assert!(!heals(&anyhow::Error::new(VaultError::Forbidden { what: "read".to_owned() }).context("reading the roots")));
        assert!(!heals(&anyhow::anyhow!("PKI mount pki of the home Vault has no issuer")));
    }
}
