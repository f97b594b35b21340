//! What agents notice by themselves, and what bindings say that only observe.

use anyhow::Result;
use lockstep_core::binding::{Mode, Restart};
use lockstep_core::delivery::{DeliveryStatus, Outcome, RestartProgress};
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::version::SecretState;
use lockstep_store::delivery::{self, Notice, Noticed, Report};

use crate::fixture::{Registry, report, revision, spec};

struct Placed {
    registry: Registry,
    session: SessionId,
    cluster: ClusterId,
    binding: BindingId,
}

impl Placed {
    async fn new(mode: Mode) -> Result<Self> {
        let registry = Registry::new().await?;
        let cluster = registry.cluster("eu", "env=prod").await?;
        registry.grant("all", "payments/**", "").await?;
        registry.observe("payments/db", SecretState::Live, Some(1)).await?;
        let mut spec = spec(&["payments/db"], "")?;
        (spec.delivered.mode, spec.delivered.restart) = (mode, Restart::Auto);
        let binding = registry.bind("db", spec).await?.id;
        Ok(Self { session: registry.connect(cluster).await?, registry, cluster, binding })
    }

    fn notice(&self, noticed: Noticed) -> Notice {
        Notice { session: self.session, cluster: self.cluster, binding: self.binding, noticed }
    }

    async fn note(&self, notices: &[Notice]) -> Result<()> {
        Ok(delivery::note(&mut *self.registry.connection().await?, notices).await?)
    }

    async fn confirm(&self, observed: Option<(u32, u32)>, targets: u32) -> Result<()> {
        let desired = self.registry.delivery("eu", "db").await?.desired;
        let report = report(self.session, self.cluster, self.binding, desired, Outcome::Applied);
        self.registry.report(&[Report { observed, targets: (targets, targets), ..report }]).await.map(drop)
    }
}

fn progress(restarted: u32, stuck: &[&str]) -> RestartProgress {
    let stuck = stuck.iter().map(|s| (*s).to_owned()).collect();
    RestartProgress { restarted, total: 3, healthy: restarted, stuck, skipped: Vec::new() }
}

#[tokio::test]
async fn drift_is_counted_and_restarts_show_the_newest_progress_of_the_newest_revision() -> Result<()> {
    let placed = Placed::new(Mode::Deliver).await?;
    placed.note(&[placed.notice(Noticed::Drifted)]).await?;
    placed.confirm(None, 1).await?;
    assert_eq!(placed.registry.delivery("eu", "db").await?.drifted, (0, None), "nothing was delivered then");
    let restarts = |seq, progress: &RestartProgress| placed.notice(Noticed::Restarts(revision(seq), progress.clone()));
    let stuck = progress(2, &["Deployment a/b: \"it\", {waits}, \\", "x"]);
    let notices = [
        placed.notice(Noticed::Drifted),
        restarts(7, &progress(1, &[])),
        restarts(7, &stuck),
        restarts(6, &progress(3, &[])),
        placed.notice(Noticed::Drifted),
    ];
    placed.note(&notices).await?;
    let shown = placed.registry.delivery("eu", "db").await?;
    assert_eq!((shown.drifted.0, shown.drifted.1.is_some()), (2, true));
    assert_eq!(shown.restart, Some((revision(7), stuck.clone())));
    placed.note(&[restarts(6, &progress(3, &[])), placed.notice(Noticed::Drifted)]).await?;
    let shown = placed.registry.delivery("eu", "db").await?;
    assert_eq!((shown.drifted.0, shown.restart), (3, Some((revision(7), stuck))));
    placed.note(&[restarts(7, &progress(3, &[]))]).await?;
    assert_eq!(placed.registry.delivery("eu", "db").await?.restart, Some((revision(7), progress(3, &[]))));

    placed.registry.bind("db", spec(&["payments/db"], "")?).await?;
    assert_eq!(placed.registry.delivery("eu", "db").await?.restart, None, "it restarts nothing any more");
    Ok(())
}

#[tokio::test]
async fn what_comes_through_a_session_that_is_not_the_clusters_is_ignored() -> Result<()> {
    let placed = Placed::new(Mode::Deliver).await?;
    placed.confirm(None, 1).await?;
    let other = placed.registry.cluster("us", "env=prod").await?;
    let session = placed.registry.connect(other).await?;
    let all = [Noticed::Drifted, Noticed::Restarts(revision(9), progress(1, &[]))];
    let notices: Vec<Notice> = all.map(|noticed| Notice { session, ..placed.notice(noticed) }).into();
    placed.note(&notices).await?;
    let shown = placed.registry.delivery("eu", "db").await?;
    assert_eq!((shown.drifted.0, shown.restart), (0, None));
    Ok(())
}

#[tokio::test]
async fn a_binding_that_observes_says_what_delivering_would_change() -> Result<()> {
    let placed = Placed::new(Mode::Observe).await?;
    let is = async |status, cause: &str| {
        assert_eq!(placed.registry.status("eu", "db").await?, (status, Some(cause.to_owned())));
        anyhow::Ok(())
    };
    placed.confirm(Some((2, 3)), 2).await?;
    let two = "observing: would change 2 of 3 keys in 2 Secrets; to write them: mode: Deliver, and target.secret.adopt: true where another \
               tool owns them";
    is(DeliveryStatus::Pending, two).await?;
    placed.confirm(Some((0, 3)), 2).await?;
    let none = "observing: would change 0 of 3 keys in 2 Secrets; to take over: mode: Deliver with target.secret.adopt: true";
    is(DeliveryStatus::InSync, none).await?;
    placed.confirm(Some((0, 1)), 1).await?;
    let one = "observing: would change 0 of 1 key in 1 Secret; to take over: mode: Deliver with target.secret.adopt: true";
    is(DeliveryStatus::InSync, one).await?;
    placed.confirm(Some((0, 1)), 0).await?;
    is(DeliveryStatus::InSync, &one.replace(" in 1 Secret", "")).await?;

    let mut c = placed.registry.connection().await?;
    let of_bindings = delivery::of_bindings(&mut c, &[placed.binding]).await?;
    let observed = of_bindings.get(&placed.binding).and_then(|of_binding| of_binding.observed);
    assert_eq!(observed, Some(delivery::Observed { would_change: 0, total: 1, clusters: 1 }));
    // Delivered from now on: what was compared says nothing any more.
    placed.registry.bind("db", spec(&["payments/db"], "")?).await?;
    assert_eq!(placed.registry.delivery("eu", "db").await?.observed, None);
    let of_bindings = delivery::of_bindings(&mut c, &[placed.binding]).await?;
    assert_eq!(of_bindings.get(&placed.binding).and_then(|of_binding| of_binding.observed), None);
    Ok(())
}
