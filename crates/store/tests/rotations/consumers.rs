//! Who uses a secret: every placement of a binding that draws from it and follows it.

use anyhow::{Context as _, Result};
use lockstep_core::binding::{BindingSpec, Item, Mode, Restart};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::{Outcome, RestartProgress};
use lockstep_core::history::Mark;
use lockstep_core::id::{ClusterId, SessionId};
use lockstep_core::rotation::consumer::Consumer;
use lockstep_core::version::{SecretState, VersionNumber};
use lockstep_store::delivery::{self, Notice, Noticed, Report};
use lockstep_store::desired::{Which, read};
use lockstep_store::rotation_run::consumers;
use lockstep_store::session;

use crate::fixture::{Registry, item, report, secret_ref, spec};

struct Used(Registry);

impl Used {
    /// `payments/db` with version 1, `payments/other`, and two clusters.
    async fn new() -> Result<(Self, ClusterId, ClusterId)> {
        let registry = Registry::new().await?;
        let (eu, us) = (registry.cluster("eu", "env=prod").await?, registry.cluster("us", "env=prod").await?);
        registry.grant("all", "payments/**", "").await?;
        for path in ["payments/db", "payments/other"] {
            registry.observe(path, SecretState::Live, Some(1)).await?;
        }
        Ok((Self(registry), eu, us))
    }

    async fn users(&self) -> Result<Vec<Consumer>> {
        Ok(consumers(&mut *self.0.connection().await?, &secret_ref("payments/db")?).await?)
    }

    /// `cluster binding has wants` of each.
    async fn shown(&self) -> Result<Vec<String>> {
        let number = |number: Option<VersionNumber>| number.map_or("-".to_owned(), |n| n.to_string());
        let one = |user: Consumer| format!("{} {} {} {}", user.cluster, user.binding, number(user.has), number(user.wants));
        Ok(self.users().await?.into_iter().map(one).collect())
    }

    /// The cluster confirms whatever it should have.
    async fn confirm(&self, cluster: ClusterId, session: SessionId) -> Result<()> {
        let facts = read(&mut *self.0.connection().await?, &[cluster], Which::All, &Mark::ORIGIN).await?.facts;
        let reports = facts.iter().map(|facts| {
            let report = report(session, cluster, facts.binding.id, facts.desired.revision, Outcome::Applied);
            Report { versions: facts.versions(), ..report }
        });
        self.0.report(&reports.collect::<Vec<_>>()).await.map(drop)
    }
}

fn with(items: Vec<Item>) -> Result<BindingSpec> {
    let mut spec = spec(&[], "")?;
    spec.delivered.items = items;
    Ok(spec)
}

#[tokio::test]
async fn those_that_follow_the_secret_count_and_no_others_with_what_they_have_and_should_have() -> Result<()> {
    let (here, eu, us) = Used::new().await?;
    assert!(here.shown().await?.is_empty(), "nobody draws from it");
    let registry = &here.0;
    registry.bind("db", spec(&["payments/other", "payments/db"], "")?).await?;
    let pinned = Item { pin: VersionNumber::new(1), ..item("payments/db")? };
    registry.bind("pinned", with(vec![pinned.clone()])?).await?;
    registry.bind("both", with(vec![item("payments/db")?, pinned])?).await?;
    let mut observing = spec(&["payments/db"], "")?;
    observing.delivered.mode = Mode::Observe;
    registry.bind("observing", observing).await?;
    registry.bind("unconcerned", spec(&["payments/other"], "")?).await?;
    registry.bind("elsewhere", spec(&["payments/db"], "env=test")?).await?;
    assert_eq!(here.shown().await?, ["eu both - 1", "eu db - 1", "us both - 1", "us db - 1"]);

    let (in_eu, in_us) = (registry.connect(eu).await?, registry.connect(us).await?);
    here.confirm(eu, in_eu).await?;
    registry.observe("payments/db", SecretState::Live, Some(3)).await?;
    registry.observe("payments/other", SecretState::Live, Some(9)).await?;
    assert_eq!(here.shown().await?, ["eu both 1 3", "eu db 1 3", "us both - 3", "us db - 3"]);
    here.confirm(us, in_us).await?;
    assert_eq!(here.shown().await?, ["eu both 1 3", "eu db 1 3", "us both 3 3", "us db 3 3"]);

    registry.unbind("both").await?;
    assert_eq!(here.shown().await?, ["eu db 1 3", "us db 3 3"], "one that is being taken back does not count");
    Ok(())
}

#[tokio::test]
async fn how_its_cluster_stands_is_told_of_each() -> Result<()> {
    let (here, eu, us) = Used::new().await?;
    here.0.bind("db", spec(&["payments/db"], "")?).await?;
    let session = here.0.connect(eu).await?;
    here.confirm(eu, session).await?;
    here.0.set_state(us, ClusterState::Paused).await?;
    let of = async |cluster: &str| {
        let users = here.users().await?;
        users.into_iter().find(|user| user.cluster == cluster).context("it uses it")
    };
    let user = of("eu").await?;
    assert_eq!((user.is_online, user.is_healthy, user.cause), (true, true, None));
    assert_eq!((of("us").await?.state, of("us").await?.is_online), (ClusterState::Paused, false));
    session::close(&mut *here.0.connection().await?, session).await?;
    let user = of("eu").await?;
    assert_eq!((user.is_online, user.cause), (false, None), "it has what it should");
    here.0.observe("payments/db", SecretState::Live, Some(2)).await?;
    let user = of("eu").await?;
    assert!(!user.is_online && user.cause.is_some(), "{user:?}");
    Ok(())
}

#[tokio::test]
async fn what_restarts_is_healthy_when_that_of_what_it_has_now_has_finished() -> Result<()> {
    let (here, eu, _) = Used::new().await?;
    let mut restarting = spec(&["payments/db"], "env=prod")?;
    restarting.delivered.restart = Restart::Auto;
    let bound = here.0.bind("db", restarting).await?;
    let session = here.0.connect(eu).await?;
    let health = async || {
        let users = here.users().await?;
        let user = users.into_iter().find(|user| user.cluster == "eu").context("it uses it")?;
        anyhow::Ok(if user.is_healthy { Ok(()) } else { Err(user.cause.unwrap_or_default()) })
    };
    let told = async |progress: RestartProgress| {
        let revision = here.0.delivery("eu", "db").await?.desired;
        let noticed = Noticed::Restarts(revision, progress);
        let notice = Notice { session, cluster: eu, binding: bound.id, noticed };
        anyhow::Ok(delivery::note(&mut *here.0.connection().await?, &[notice]).await?)
    };
    let progress = |healthy| RestartProgress { restarted: healthy, total: 3, healthy, ..RestartProgress::default() };
    let unreported = Err("its restarts were not reported yet".to_owned());
    here.confirm(eu, session).await?;
    assert_eq!(health().await?, unreported);
    told(progress(2)).await?;
    assert_eq!(health().await?, Err("2 of 3 workloads restarted and healthy".to_owned()));
    told(RestartProgress { stuck: vec!["Deployment a/b waits".to_owned()], ..progress(2) }).await?;
    assert_eq!(health().await?, Err("Deployment a/b waits".to_owned()));
    told(progress(3)).await?;
    assert_eq!(health().await?, Ok(()));
    // What was told is of what it had before.
    here.0.observe("payments/db", SecretState::Live, Some(2)).await?;
    here.confirm(eu, session).await?;
    assert_eq!(health().await?, unreported);
    told(progress(3)).await?;
    assert_eq!(health().await?, Ok(()));
    Ok(())
}

#[tokio::test]
async fn of_a_binding_that_differs_by_cluster_the_one_counts_that_draws_the_secret_there() -> Result<()> {
    let (here, eu, us) = Used::new().await?;
    here.0.bind("each", spec(&["payments/{cluster}/db", "payments/other"], "")?).await?;
    for path in ["payments/eu/db", "payments/us/db"] {
        here.0.observe(path, SecretState::Live, Some(3)).await?;
    }
    for cluster in [eu, us] {
        let session = here.0.connect(cluster).await?;
        here.confirm(cluster, session).await?;
    }
    let users = async |path| consumers(&mut *here.0.connection().await?, &secret_ref(path)?).await.map_err(anyhow::Error::from);
    let eu_only = users("payments/eu/db").await?;
    assert_eq!(eu_only.iter().map(|u| (u.cluster.as_str(), u.has)).collect::<Vec<_>>(), [("eu", VersionNumber::new(3))]);
    assert_eq!(users("payments/other").await?.len(), 2, "what is the same in both");
    Ok(())
}
