use thiserror::Error;

/// Why the registry did not answer as asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Nothing of that kind and name.
    #[error("{kind} {name:?} does not exist")]
    NotFound {
        /// Such as `binding`.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// Something else still needs it.
    #[error("{subject} is still used by {by}: that has to go first")]
    InUse {
        /// What was to be deleted.
        subject: String,
        /// What needs it.
        by: String,
    },
    /// It is known as drawn from another engine.
    #[error("secret {secret} is drawn as {engine} by binding {binding}: name the same engine here, or change that binding first")]
    OtherEngine {
        /// Source, mount and path.
        secret: String,
        /// What it is drawn from now.
        engine: String,
        /// A binding that uses it.
        binding: String,
    },
    /// The lease under which this was to be written has passed to another holder.
    #[error("lease {name:?} is held by another replica now: the write was fenced")]
    Fenced {
        /// The lease's name.
        name: String,
    },
    /// A stored row that this version cannot read.
    #[error("a row of {table} cannot be read: {cause}; was the database written by a newer version?")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with it. Rows hold no material.
        cause: String,
    },
    /// Postgres.
    #[error("Postgres did not answer as expected")]
    Postgres(#[from] sqlx::Error),
    /// It did not answer in time.
    #[error("Postgres did not answer within {after:?}")]
    Silent {
        /// The limit.
        after: std::time::Duration,
    },
    /// A schema migration failed.
    #[error("the schema could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The connection is not a session.
    #[error(
        "LISTEN does not work over this database URL: it goes through a transaction-pooling proxy. Give a URL that reaches Postgres \
         itself, or a session-pooling port"
    )]
    NoSession,
    /// Another Postgres than the design supports.
    #[error("Postgres {version} is too old: Lockstep needs 15 or newer")]
    TooOld {
        /// What the server said.
        version: String,
    },
}

impl StoreError {
    /// A row that cannot be read.
    pub(crate) fn corrupt(table: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |cause| Self::Corrupt { table, cause: cause.to_string() }
    }

    /// Whether two waited for each other and this one gave way: nothing is wrong with it, and nothing of it happened.
    pub fn gave_way(&self) -> bool {
        const DEADLOCK_DETECTED: &str = "40P01";
        const SERIALIZATION_FAILURE: &str = "40001";
        matches!(self, Self::Postgres(sqlx::Error::Database(e))
            if e.code().is_some_and(|c| [DEADLOCK_DETECTED, SERIALIZATION_FAILURE].contains(&c.as_ref())))
    }

    /// Whether Postgres could not be reached, rather than refusing something.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Silent { .. }
            | Self::Postgres(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_)) => {
                true
            }
            // Shutting down or starting, a broken connection, and a session that Postgres ended because it rested in a transaction.
            Self::Postgres(sqlx::Error::Database(e)) => {
                e.code().is_some_and(|c| c.starts_with("57P") || c.starts_with("08") || c == "25P03")
            }
            _ => false,
        }
    }
}
