//! A program in a cluster that logs in with what was delivered, as most do: it opens its files now and then, and a connection whenever it has work.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use lockstep_testbed::{Database, Fleet};
use tokio::task::JoinHandle;

/// From one login to the next.
const LOGIN: Duration = Duration::from_millis(100);

/// User and password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credential {
    /// Whether the database lets it in.
    pub(crate) async fn works(&self, database: &Database) -> Result<bool> {
        database.lets_in(&self.user, &self.password).await
    }
}

/// A login that did not work.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// When it began and ended.
    pub(crate) at: (Instant, Instant),
    /// Which of the credentials that the client has seen it tried, from 0, and what came of it.
    pub(crate) what: String,
}

/// What a client did so far.
#[derive(Clone, Default)]
pub(crate) struct Diary {
    /// What it read, each once, in the order it came.
    pub(crate) seen: Vec<Credential>,
    /// How often it logged in, or tried to.
    pub(crate) logins: usize,
    /// How often that did not work.
    pub(crate) failures: Vec<Failure>,
    /// How long it was out: from the first failure until it was in again.
    pub(crate) out: Duration,
}

/// A client at work. It ends when this is dropped.
pub(crate) struct Client {
    pub(crate) cluster: String,
    diary: Arc<Mutex<Diary>>,
    task: JoinHandle<()>,
}

impl Client {
    /// Starts it. It opens its files at most once per `reread`, also when a login fails.
    pub(crate) fn start(fleet: &Fleet, cluster: usize, target: &str, database: &Database, reread: Duration) -> Self {
        let agent = &fleet.agents[cluster];
        let diary = Arc::<Mutex<Diary>>::default();
        let work = work(agent.targets().join(target), database.clone(), reread, diary.clone());
        Self { cluster: agent.name().to_owned(), diary, task: tokio::spawn(work) }
    }

    /// What it did so far.
    pub(crate) fn diary(&self) -> Diary {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn work(files: PathBuf, database: Database, reread: Duration, diary: Arc<Mutex<Diary>>) {
    let mut ticks = tokio::time::interval(LOGIN);
    let mut read_at: Option<Instant> = None;
    let mut out_since: Option<Instant> = None;
    let mut credential = None;
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        if read_at.is_none_or(|at| at.elapsed() >= reread) {
            read_at = Some(begun);
            credential = Some(read(&files));
        }
        let outcome = match &credential {
            Some(Ok(credential)) => credential.works(&database).await.map_err(|error| format!("{error:#}")),
            Some(Err(error)) => Err(error.to_string()),
            None => continue,
        };
        let mut diary = diary.lock().unwrap_or_else(PoisonError::into_inner);
        diary.logins += 1;
        if let Some(Ok(credential)) = &credential
            && !diary.seen.contains(credential)
        {
            diary.seen.push(credential.clone());
        }
        let why = match outcome {
            Ok(true) => {
                diary.out += out_since.take().map_or(Duration::ZERO, |since| since.elapsed());
                continue;
            }
            Ok(false) => "wrong password".to_owned(),
            Err(error) => error,
        };
        out_since.get_or_insert(begun);
        let which = credential.as_ref().and_then(|c| diary.seen.iter().position(|seen| c.as_ref().is_ok_and(|c| c == seen)));
        diary.failures.push(Failure { at: (begun, Instant::now()), what: format!("credential {which:?}: {why}") });
    }
}

/// What is in the target now: both files of one content. The link to it is followed once, as whoever reads more than one file of a
/// Kubernetes volume has to do.
fn read(target: &Path) -> io::Result<Credential> {
    loop {
        let content = target.join(fs::read_link(target.join("..data"))?);
        let file = |key| fs::read_to_string(content.join(key));
        match (file("username"), file("password")) {
            (Ok(user), Ok(password)) => return Ok(Credential { user, password }),
            // The content was exchanged since the link was followed.
            (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::NotFound && fs::metadata(&content).is_err() => {}
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
    }
}
