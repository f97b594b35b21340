//! The one writer of deliveries: reports of all sessions on this replica, in batches. What comes while one is written is the next one.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::delivery::Outcome;
use lockstep_store::delivery::{self, Notice, Report};
use lockstep_store::{PgPool, Result, pool};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The most reports in one transaction.
const BATCH_MAX: usize = 500;
/// The most reports that wait; sessions wait then, and their agents with them.
const QUEUE_MAX: usize = 10_000;
/// How long a batch may take. Longer than Postgres gives it, so that one that is given up is not written after those that follow it. Writing one
/// twice does no harm: only the newest report of a placement counts.
const WRITE_LIMIT: Duration = Duration::from_secs(15);
const _: () = assert!(WRITE_LIMIT.as_secs() > pool::REPORTS_LIMIT.as_secs());
/// The pause before a failed batch is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often the writer says that it lives while nobody reports.
const IDLE: Duration = Duration::from_secs(10);
const LOOP: &str = "reports";

/// Where sessions leave their reports.
#[derive(Clone)]
pub struct Reports(mpsc::Sender<Message>);

enum Message {
    Report { report: Report, permit: Option<oneshot::Sender<bool>> },
    Notice(Notice),
}

impl Message {
    /// What asks leave, if it is that.
    fn asking(&self) -> Option<&Report> {
        match self {
            Self::Report { report, permit: Some(_) } => Some(report),
            Self::Report { permit: None, .. } | Self::Notice(_) => None,
        }
    }
}

/// The other end, to be run once.
pub struct Writer {
    pool: PgPool,
    metrics: Arc<Metrics>,
    queue: mpsc::Receiver<Message>,
}

/// A queue and its writer.
pub fn channel(pool: PgPool, metrics: Arc<Metrics>) -> (Reports, Writer) {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    (Reports(sender), Writer { pool, metrics, queue })
}

impl Reports {
    /// Leaves what an agent answered, or why something was not sent.
    pub async fn report(&self, report: Report) {
        // Only a replica that is shutting down has no writer; the agent will say it again to another.
        let _ = self.0.send(Message::Report { report, permit: None }).await;
    }

    /// Leaves what an agent noticed by itself.
    pub async fn notice(&self, notice: Notice) {
        let _ = self.0.send(Message::Notice(notice)).await;
    }

    /// Asks leave to send, and records it: nothing leaves before this is committed. `false`: not now.
    pub async fn permit(&self, report: Report) -> bool {
        let (permit, answer) = oneshot::channel();
        let report = Report { outcome: Outcome::Sent, ..report };
        let sent = self.0.send(Message::Report { report, permit: Some(permit) }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }
}

impl Writer {
    /// Writes until stopped, and then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        self.metrics.loops.begin(LOOP, IDLE, WRITE_LIMIT);
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                () = tokio::time::sleep(IDLE) => {}
                count = self.queue.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
                () = stop.cancelled() => {
                    self.queue.close();
                    while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {}
                    if let Err(error) = pool::within(WRITE_LIMIT, self.write(&batch)).await {
                        tracing::warn!(%error, reports = batch.len(), "the last reports could not be written; agents say them again");
                    }
                    return;
                }
            }
            self.metrics.queued(LOOP, self.queue.len(), QUEUE_MAX);
            if batch.is_empty() || self.settle(batch, &stop).await {
                self.metrics.progressed(LOOP);
            }
            self.metrics.loops.turned(LOOP);
        }
    }

    /// Writes one batch, however long Postgres is away. Who waits for leave is refused at once: it will be offered again. `false`: nothing was
    /// written.
    async fn settle(&self, mut batch: Vec<Message>, stop: &CancellationToken) -> bool {
        loop {
            match pool::within(WRITE_LIMIT, self.write(&batch)).await {
                Ok(permitted) => {
                    for (message, permitted) in batch.into_iter().zip(permitted) {
                        if let Message::Report { permit: Some(permit), .. } = message {
                            let _ = permit.send(permitted);
                        }
                    }
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, reports = batch.len(), "reports could not be written; trying again");
                    batch.retain(|m| m.asking().is_none());
                    self.metrics.loops.turned(LOOP);
                    if batch.is_empty() || stop.is_cancelled() {
                        return false;
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// One transaction; answers for each message whether leave was given.
    async fn write(&self, batch: &[Message]) -> Result<Vec<bool>> {
        let (mut reports, mut notices) = (Vec::new(), Vec::new());
        for message in batch {
            match message {
                Message::Report { report, .. } => reports.push(report.clone()),
                Message::Notice(notice) => notices.push(notice.clone()),
            }
        }
        let written = if notices.is_empty() {
            delivery::write(&mut *pool::acquire(&self.pool).await?, &reports).await?
        } else {
            let mut transaction = self.pool.begin().await?;
            let written = delivery::write(&mut transaction, &reports).await?;
            delivery::note(&mut transaction, &notices).await?;
            transaction.commit().await?;
            written
        };
        let mut leave = written.leave.into_iter();
        let is_report = |message: &Message| matches!(message, Message::Report { .. });
        Ok(batch.iter().map(|message| is_report(message) && leave.next().unwrap_or_default()).collect())
    }
}
