//! Trying a login at a rotated database.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockstep_core::database::Place;
use lockstep_core::material::Material;
use lockstep_store::login_check::{self, LoginError};
use lockstep_testbed::{Postgres, Relay};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

const PASSWORD: &str = "can ary'\"\\é@:/?";
const LIMIT: Duration = Duration::from_secs(30);

struct Rotated {
    place: Place,
    user: String,
    admin: PgConnection,
}

impl Rotated {
    /// A database and a user with [`PASSWORD`].
    async fn new() -> Result<Self> {
        let postgres = Postgres::shared().await?;
        let database = postgres.create_database().await?;
        let user = format!("user_{}", database.name());
        let mut admin = PgConnection::connect(postgres.admin_url()).await?;
        let made = format!("CREATE ROLE {user} LOGIN PASSWORD '{}'", PASSWORD.replace('\'', "''"));
        admin.execute(AssertSqlSafe(made)).await?;
        let (before, _) = database.url().split_once('?').unwrap_or((database.url(), ""));
        Ok(Self { place: Place::of_postgres(before, "")?, user, admin })
    }

    async fn log_in(&self, password: &[u8]) -> Result<(), LoginError> {
        login_check::log_in(&self.place, &self.user, &Material::new(password.to_vec()), LIMIT).await
    }

    async fn execute(&mut self, statement: String) -> Result<()> {
        self.admin.execute(AssertSqlSafe(statement)).await?;
        Ok(())
    }
}

fn shown(error: &LoginError) -> String {
    format!("{error} {error:?}")
}

#[tokio::test]
async fn the_right_password_logs_in_and_a_wrong_one_is_refused_and_shown_nowhere() -> Result<()> {
    let rotated = Rotated::new().await?;
    rotated.log_in(PASSWORD.as_bytes()).await?;
    for wrong in ["wrong-canary", ""] {
        let error = rotated.log_in(wrong.as_bytes()).await.unwrap_err();
        assert!(matches!(&error, LoginError::Refused { sqlstate, .. } if sqlstate == "28P01"), "{error:?}");
        assert!(!shown(&error).contains("canary") && !error.is_transient(), "{error}");
    }
    let error = rotated.log_in(b"\xffcanary").await.unwrap_err();
    assert!(matches!(error, LoginError::Other { .. }) && !shown(&error).contains("canary"), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_user_who_may_not_log_in_and_a_database_that_is_not_there_are_told_apart() -> Result<()> {
    let mut rotated = Rotated::new().await?;
    let database = rotated.place.database.clone();
    rotated.execute(format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")).await?;
    let error = rotated.log_in(PASSWORD.as_bytes()).await.unwrap_err();
    assert!(error.to_string().contains("grant it CONNECT"), "{error}");
    rotated.place.database = "lockstep_never".to_owned();
    let error = rotated.log_in(PASSWORD.as_bytes()).await.unwrap_err();
    assert!(error.to_string().contains("no such database"), "{error}");
    let user = rotated.user.clone();
    rotated.execute(format!("ALTER ROLE {user} NOLOGIN")).await?;
    let error = rotated.log_in(PASSWORD.as_bytes()).await.unwrap_err();
    assert!(matches!(&error, LoginError::Refused { sqlstate, .. } if sqlstate == "28000"), "{error:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_silent_or_not_there_is_unreachable_and_another_host_is_enough() -> Result<()> {
    let mut rotated = Rotated::new().await?;
    let (host, port) = rotated.place.hosts.remove(0);
    let relay = Relay::start(format!("{host}:{port}").parse::<SocketAddr>().context("an address")?).await?;
    relay.half_open();
    let silent = (relay.addr().ip().to_string(), relay.addr().port());
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let absent = (free.ip().to_string(), free.port());

    rotated.place.hosts = vec![silent.clone()];
    let began = Instant::now();
    let password = Material::new(PASSWORD.as_bytes().to_vec());
    let limit = Duration::from_millis(300);
    let error = login_check::log_in(&rotated.place, &rotated.user, &password, limit).await.unwrap_err();
    assert!(error.is_transient() && began.elapsed() < LIMIT, "{error:?}");
    rotated.place.hosts = vec![absent.clone()];
    assert!(rotated.log_in(PASSWORD.as_bytes()).await.unwrap_err().is_transient());

    rotated.place.hosts = vec![absent.clone(), (host.clone(), port)];
    rotated.log_in(PASSWORD.as_bytes()).await?;
    rotated.place.hosts = vec![(host, port), absent];
    let error = rotated.log_in(b"wrong").await.unwrap_err();
    assert!(matches!(error, LoginError::Refused { .. }), "a word about the password tells more than silence: {error:?}");
    Ok(())
}
