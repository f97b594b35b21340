//! Deliveries have one writer: the reports of each cluster's present session.

use anyhow::Result;
use lockstep_core::delivery::Outcome;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::plan::Reported;
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_store::delivery::Report;
use lockstep_store::desired::{Which, read};
use lockstep_store::session;

use crate::fixture::{Registry, digest, instance, report, revision, session_of, spec};

/// The last attempt's seq and outcome, and the seq and digest's first byte of the last confirmation.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    seq: i64,
    outcome: String,
    applied_seq: Option<i64>,
    digest_byte: Option<i32>,
}

fn row(seq: i64, outcome: &str, applied: Option<(i64, i32)>) -> Row {
    Row { seq, outcome: outcome.to_owned(), applied_seq: applied.map(|a| a.0), digest_byte: applied.map(|a| a.1) }
}

struct Placed {
    registry: Registry,
    session: SessionId,
    cluster: ClusterId,
    binding: BindingId,
}

impl Placed {
    async fn new() -> Result<Self> {
        let registry = Registry::new().await?;
        let cluster = registry.cluster("eu", "env=prod").await?;
        registry.grant("all", "payments/**", "").await?;
        let binding = registry.bind("db", spec(&["payments/db"], "")?).await?.id;
        Ok(Self { session: registry.connect(cluster).await?, registry, cluster, binding })
    }

    fn report(&self, seq: u64, outcome: Outcome) -> Report {
        report(self.session, self.cluster, self.binding, revision(seq), outcome)
    }

    async fn row(&self) -> Result<Option<Row>> {
        Ok(sqlx::query_as("select seq, outcome, applied_seq, get_byte(applied_digest, 0) as digest_byte from delivery")
            .fetch_optional(&self.registry.pool)
            .await?)
    }
}

#[tokio::test]
async fn a_superseded_session_writes_nothing() -> Result<()> {
    let placed = Placed::new().await?;
    let newer = session_of(placed.cluster, instance(1), 2);
    assert!(session::open(&mut *placed.registry.connection().await?, &newer).await?);
    assert_eq!(placed.registry.report(&[placed.report(9, Outcome::Applied)]).await?, 0);
    assert_eq!(placed.row().await?, None);
    // In one batch with the present session's report it does not get in that one's way, wherever it stands.
    let present = Report { session: newer.id, ..placed.report(5, Outcome::Applied) };
    let stale = placed.report(6, Outcome::Failed);
    assert_eq!(placed.registry.report(&[stale.clone(), present, stale]).await?, 1);
    assert_eq!(placed.row().await?, Some(row(5, "Applied", Some((5, 1)))));
    Ok(())
}

#[tokio::test]
async fn a_session_speaks_for_its_own_cluster_only() -> Result<()> {
    let placed = Placed::new().await?;
    let other = placed.registry.cluster("us", "env=prod").await?;
    let session = placed.registry.connect(other).await?;
    assert_eq!(placed.registry.report(&[Report { session, ..placed.report(5, Outcome::Applied) }]).await?, 0);
    assert_eq!(placed.row().await?, None);
    Ok(())
}

#[tokio::test]
async fn an_unknown_binding_is_ignored_and_the_rest_of_the_batch_is_written() -> Result<()> {
    let placed = Placed::new().await?;
    let unknown = Report { binding: uuid::Uuid::new_v4().into(), ..placed.report(5, Outcome::Applied) };
    assert_eq!(placed.registry.report(&[unknown, placed.report(5, Outcome::Applied)]).await?, 1);
    assert_eq!(placed.registry.report(&[]).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_cause_with_a_nul_is_written_without_it_and_holds_up_no_other_report() -> Result<()> {
    let placed = Placed::new().await?;
    let other = placed.registry.bind("other", spec(&["payments/other"], "")?).await?.id;
    let odd = Report { cause: Some("disk\0 full\0".to_owned()), ..placed.report(5, Outcome::Failed) };
    let good = Report { binding: other, ..placed.report(5, Outcome::Applied) };
    assert_eq!(placed.registry.report(&[odd, good]).await?, 2);
    let causes: Vec<Option<String>> =
        sqlx::query_scalar("select cause from delivery order by cause").fetch_all(&placed.registry.pool).await?;
    assert_eq!(causes, [Some("disk full".to_owned()), None]);
    Ok(())
}

#[tokio::test]
async fn an_older_revision_never_replaces_a_newer_one() -> Result<()> {
    let placed = Placed::new().await?;
    placed.registry.report(&[placed.report(7, Outcome::Applied)]).await?;
    for late in [Outcome::Applied, Outcome::Failed, Outcome::Unreadable] {
        assert_eq!(placed.registry.report(&[placed.report(6, late)]).await?, 0, "{late:?}");
    }
    assert_eq!(placed.row().await?, Some(row(7, "Applied", Some((7, 1)))));
    let next_epoch = Revision { epoch: Epoch::new(2), seq: Seq::new(3) };
    assert_eq!(placed.registry.report(&[Report { revision: next_epoch, ..placed.report(0, Outcome::Unreadable) }]).await?, 1);
    assert_eq!(placed.row().await?, Some(row(3, "Unreadable", Some((7, 1)))));
    assert_eq!(placed.registry.report(&[placed.report(8, Outcome::Failed)]).await?, 0, "of the epoch before");
    Ok(())
}

#[tokio::test]
async fn what_was_sent_since_does_not_wipe_what_was_confirmed() -> Result<()> {
    let placed = Placed::new().await?;
    placed.registry.report(&[placed.report(5, Outcome::Applied)]).await?;
    let confirmed = placed.registry.delivery("eu", "db").await?;
    for (seq, outcome) in [(6, Outcome::Unreadable), (6, Outcome::Conflict), (7, Outcome::Unreadable), (8, Outcome::Denied)] {
        placed.registry.report(&[placed.report(seq, outcome)]).await?;
        assert_eq!(placed.row().await?, Some(row(seq.cast_signed(), outcome.as_str(), Some((5, 1)))));
    }
    let listed = placed.registry.delivery("eu", "db").await?;
    assert_eq!((listed.applied, listed.applied_at, listed.targets), (Some(revision(5)), confirmed.applied_at, (1, 1)));
    let facts = read(&mut *placed.registry.connection().await?, &[placed.cluster], Which::All, &Mark::ORIGIN).await?.facts;
    assert_eq!(facts[0].acked, Some(Reported { revision: revision(5), digest: Some(digest(1)) }));
    Ok(())
}

#[tokio::test]
async fn a_confirmation_counts_also_when_a_newer_revision_is_on_its_way() -> Result<()> {
    let placed = Placed::new().await?;
    placed.registry.report(&[placed.report(5, Outcome::Unreadable)]).await?;
    placed.registry.report(&[placed.report(6, Outcome::Unreadable)]).await?;
    assert_eq!(placed.registry.report(&[placed.report(5, Outcome::Applied)]).await?, 1);
    assert_eq!(placed.row().await?, Some(row(6, "Unreadable", Some((5, 1)))));
    // The same in one batch.
    placed.registry.report(&[placed.report(7, Outcome::Unreadable), placed.report(6, Outcome::Applied)]).await?;
    assert_eq!(placed.row().await?, Some(row(7, "Unreadable", Some((6, 1)))));
    Ok(())
}

#[tokio::test]
async fn of_two_reports_of_one_revision_in_a_batch_the_last_counts() -> Result<()> {
    let placed = Placed::new().await?;
    let other = Report { digest: Some(digest(2)), targets: (2, 3), ..placed.report(5, Outcome::Applied) };
    assert_eq!(placed.registry.report(&[placed.report(5, Outcome::Applied), other]).await?, 1);
    assert_eq!(placed.row().await?, Some(row(5, "Applied", Some((5, 2)))));
    assert_eq!(placed.registry.delivery("eu", "db").await?.targets, (2, 3));
    placed.registry.report(&[placed.report(5, Outcome::Unreadable), placed.report(5, Outcome::Failed)]).await?;
    assert_eq!(placed.row().await?, Some(row(5, "Failed", Some((5, 2)))));
    Ok(())
}

#[tokio::test]
async fn what_was_given_up_has_no_digest() -> Result<()> {
    let placed = Placed::new().await?;
    placed.registry.report(&[placed.report(5, Outcome::Applied)]).await?;
    placed.registry.report(&[Report { digest: None, ..placed.report(6, Outcome::Applied) }]).await?;
    let facts = read(&mut *placed.registry.connection().await?, &[placed.cluster], Which::All, &Mark::ORIGIN).await?.facts;
    assert_eq!(facts[0].acked, Some(Reported { revision: revision(6), digest: None }));
    Ok(())
}
