//! Leave to send: the last check before bytes leave.

use anyhow::{Context as _, Result};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::Outcome;
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::revision::{Revision, Seq};
use lockstep_core::version::SecretState;
use lockstep_store::{cluster, delivery, registry};
use lockstep_testbed::wait;

use crate::fixture::{LIMIT, Registry, report, spec};

struct Ready {
    registry: Registry,
    session: SessionId,
    cluster: ClusterId,
    binding: BindingId,
}

impl Ready {
    /// A placement whose secret was seen live, and whose agent is connected.
    async fn new() -> Result<Self> {
        let registry = Registry::new().await?;
        let cluster = registry.cluster("eu", "env=prod").await?;
        registry.grant("all", "payments/**", "").await?;
        let binding = registry.bind("db", spec(&["payments/db"], "env=prod")?).await?.id;
        registry.observe("payments/db", SecretState::Live, Some(1)).await?;
        Ok(Self { session: registry.connect(cluster).await?, registry, cluster, binding })
    }

    async fn desired(&self) -> Result<Revision> {
        Ok(self.registry.delivery("eu", "db").await?.desired)
    }

    async fn may_send(&self, revision: Revision) -> Result<bool> {
        let report = report(self.session, self.cluster, self.binding, revision, Outcome::Sent);
        let written = delivery::write(&mut *self.registry.connection().await?, &[report]).await?;
        assert_eq!(written.leave, [written.placements == 1], "what may be sent is on record, and nothing else");
        Ok(written.placements == 1)
    }
}

#[tokio::test]
async fn only_the_revision_that_is_desired_now_may_be_sent() -> Result<()> {
    let ready = Ready::new().await?;
    let prepared = ready.desired().await?;
    assert!(ready.may_send(prepared).await?);
    assert!(!ready.may_send(Revision { seq: Seq::new(prepared.seq.get() - 1), ..prepared }).await?);
    // What was prepared from the old binding must not leave under the new one, which no grant may cover in the old place.
    ready.registry.bind("db", spec(&["payments/other"], "env=prod")?).await?;
    assert!(!ready.may_send(prepared).await?);
    Ok(())
}

#[tokio::test]
async fn of_two_that_ask_for_one_placement_at_once_each_is_answered_for_its_own_revision() -> Result<()> {
    let ready = Ready::new().await?;
    let now = ready.desired().await?;
    let before = Revision { seq: Seq::new(now.seq.get() - 1), ..now };
    let asks = |revision| report(ready.session, ready.cluster, ready.binding, revision, Outcome::Sent);
    let failed = report(ready.session, ready.cluster, ready.binding, before, Outcome::Failed);
    let written = delivery::write(&mut *ready.registry.connection().await?, &[asks(before), failed, asks(now)]).await?;
    assert_eq!((written.placements, written.leave), (1, vec![false, false, true]));
    Ok(())
}

#[tokio::test]
async fn without_a_grant_or_a_place_nothing_may_be_sent() -> Result<()> {
    let ready = Ready::new().await?;
    let prepared = ready.desired().await?;
    ready.registry.revoke_grant("all").await?;
    assert!(!ready.may_send(prepared).await? && !ready.may_send(ready.desired().await?).await?);
    ready.registry.grant("all", "payments/**", "").await?;
    assert!(ready.may_send(ready.desired().await?).await?);
    ready.registry.cluster("eu", "env=dev").await?;
    assert!(!ready.may_send(prepared).await?);
    Ok(())
}

#[tokio::test]
async fn nothing_may_be_sent_while_held_or_paused_or_by_another_session() -> Result<()> {
    let ready = Ready::new().await?;
    let (prepared, mut connection) = (ready.desired().await?, ready.registry.connection().await?);
    registry::set_held(&mut connection, Some("why")).await?;
    assert!(!ready.may_send(prepared).await?);
    registry::set_held(&mut connection, None).await?;
    cluster::hold(&mut connection, ready.cluster, "why").await?;
    assert!(!ready.may_send(prepared).await?);
    cluster::release_all(&mut connection).await?;
    ready.registry.set_state(ready.cluster, ClusterState::Paused).await?;
    assert!(!ready.may_send(prepared).await?);
    ready.registry.set_state(ready.cluster, ClusterState::Active).await?;
    assert!(ready.may_send(prepared).await.context("resumed")?);
    let newer = ready.registry.connect(ready.cluster).await?;
    assert_ne!(newer, ready.session);
    assert!(!ready.may_send(prepared).await?);
    Ok(())
}

#[tokio::test]
async fn leave_that_waits_for_the_planner_is_given_by_what_the_planner_wrote() -> Result<()> {
    let ready = Ready::new().await?;
    let prepared = ready.desired().await?;
    for grows in [false, true] {
        let mut planning = ready.registry.pool.begin().await?;
        sqlx::query("update placement set seq = seq + 1").execute(&mut *planning).await?;
        let end = async {
            wait::until("leave to be asked for", LIMIT, async || ready.registry.somebody_waits().await).await?;
            let ended = if grows { planning.commit().await } else { planning.rollback().await };
            anyhow::Ok(ended?)
        };
        let (leave, ended) = tokio::join!(ready.may_send(prepared), end);
        ended?;
        assert_eq!(leave?, !grows, "the placement's seq grew: {grows}");
    }
    Ok(())
}

#[tokio::test]
async fn leave_and_the_planner_never_wait_for_each_other() -> Result<()> {
    let ready = Ready::new().await?;
    // Ids are random: until one is lower than that of an older binding, which the planner would find first.
    let (mut lower, mut name) = (ready.binding, String::from("db"));
    while lower >= ready.binding {
        name.push('b');
        lower = ready.registry.bind(&name, spec(&["payments/db"], "env=prod")?).await?.id;
    }
    let mut asks = Vec::new();
    for (id, name) in [(ready.binding, "db"), (lower, name.as_str())] {
        let desired = ready.registry.delivery("eu", name).await?.desired;
        asks.push(report(ready.session, ready.cluster, id, desired, Outcome::Sent));
    }
    let lock = |id: BindingId, how: &str| format!("select from placement where binding_id = '{id}' for {how}");

    // As the planner: it has written the first and comes to the second, while leave is asked for both.
    let mut planning = ready.registry.pool.begin().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock(lower, "no key update"))).execute(&mut *planning).await?;
    let go_on = async {
        wait::until("leave to be asked for", LIMIT, async || ready.registry.somebody_waits().await).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock(ready.binding, "no key update"))).execute(&mut *planning).await?;
        anyhow::Ok(planning.commit().await?)
    };
    let mut connection = ready.registry.connection().await?;
    let (leave, planned) = tokio::join!(delivery::write(&mut connection, &asks), go_on);
    planned?;
    assert_eq!(leave?.leave, [true; 2]);

    // As leave: it has the first, and comes to the second while the planner writes both.
    let mut leaving = ready.registry.pool.begin().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock(lower, "share"))).execute(&mut *leaving).await?;
    let go_on = async {
        wait::until("the planner to write", LIMIT, async || ready.registry.somebody_waits().await).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock(ready.binding, "share"))).execute(&mut *leaving).await?;
        anyhow::Ok(leaving.commit().await?)
    };
    let (planned, left) = tokio::join!(ready.registry.revoke_grant("all"), go_on);
    left?;
    planned
}
