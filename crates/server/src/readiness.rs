//! Whether this replica can serve: `/readyz` asks Postgres, `/healthz` only whether the process answers.

use std::time::Duration;

use lockstep_store::{PgPool, pool};
use tokio::time::timeout;

/// How long Postgres may take to answer a readiness question.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Answers readiness questions.
pub struct Readiness {
    pool: PgPool,
}

impl Readiness {
    /// Over this registry.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// `Err` with why not.
    pub async fn check(&self) -> Result<(), String> {
        let probe = async {
            let mut connection = pool::acquire(&self.pool).await?;
            lockstep_store::registry::get(&mut connection).await
        };
        match timeout(PROBE_LIMIT, probe).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("Postgres: {error}")),
            Err(_) => Err("Postgres does not answer".to_owned()),
        }
    }
}
