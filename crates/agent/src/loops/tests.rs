//! With an API server that is away, each loop that asks it comes round, and does nothing of what it is for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use kube::client::Body;
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_telemetry::traces::Traces;
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::agent::Surroundings;
use crate::clock::SystemClock;
use crate::kubernetes::Kubernetes;
use crate::lease::{self, Leadership, Standing};
use crate::restart::{Changed, Due, Policy, Restarts, Settings};

const PATIENCE: Duration = Duration::from_secs(30);

/// An API server that answers nothing but failure, and tells of each request.
fn away() -> (kube::Client, mpsc::UnboundedReceiver<()>) {
    let (asked, requests) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |_: http::Request<Body>| {
        let _ = asked.send(());
        std::future::ready(Err::<http::Response<Body>, _>(std::io::Error::other("nobody is there")))
    });
    (kube::Client::new(service, "lockstep"), requests)
}

fn surroundings() -> (Registry, Surroundings) {
    let (registry, clock) = (Registry::new(), Arc::new(SystemClock::start()));
    let metrics = Metrics::register(&registry, clock.clone()).unwrap();
    let (stop, leadership) = (CancellationToken::new(), Leadership::always());
    (registry, Surroundings { clock, metrics, stop, renewal_jitter: 0.0, lease_term: 1, leadership, traces: Traces::default() })
}

/// How many loops are shown to have done what they are for.
fn progressed(registry: &Registry) -> usize {
    let families = registry.gather();
    families.iter().filter(|f| f.name() == "lockstep_agent_loop_progress_timestamp_seconds").map(|f| f.get_metric().len()).sum()
}

/// Those that would be stuck if nothing had turned since the moment they were last allowed to begin in.
fn stuck(metrics: &Metrics, judged: Judged, began: Instant) -> usize {
    metrics.loops.stuck(began + judged.step_limit + Duration::from_secs(30)).len()
}

#[tokio::test]
async fn a_standby_without_its_api_server_comes_round_and_is_judged_no_more_once_it_ended() {
    let (client, mut requests) = away();
    let (registry, surroundings) = surroundings();
    let kubernetes =
        Kubernetes { client, namespace: "lockstep".to_owned(), pod: "one".to_owned(), request_timeout: Duration::from_secs(1) };
    let (standing, _stands) = watch::channel(Standing::Standby);
    let asking = async {
        for _ in 0..5 {
            requests.recv().await.unwrap();
        }
        let began = Instant::now();
        requests.recv().await.unwrap();
        requests.recv().await.unwrap();
        assert_eq!((stuck(&surroundings.metrics, LEASE, began), progressed(&registry)), (0, 0));
    };
    tokio::select! {
        _ = lease::acquire(&kubernetes, "lease", Duration::from_millis(60), &surroundings, &standing) => panic!("nobody gives it"),
        done = tokio::time::timeout(PATIENCE, asking) => done.unwrap(),
    }
    assert_eq!(surroundings.metrics.loops.stuck(Instant::now() + Duration::from_hours(1)), []);
}

#[tokio::test]
async fn restarts_without_their_api_server_come_round_and_are_judged_no_more_once_they_ended() {
    let (client, mut requests) = away();
    let (registry, surroundings) = surroundings();
    let Surroundings { clock, metrics, stop, .. } = surroundings;
    let settings = Settings { settle: Duration::ZERO, ..Settings::default() };
    let restarts = Restarts::new(client, settings, clock, Arc::new(|| true), metrics.clone());
    let revision = Revision { epoch: Epoch::new(1), seq: Seq::new(5) };
    restarts.want(Due {
        binding: Uuid::from_u128(1).into(),
        name: "checkout-db".to_owned(),
        policy: Policy::Auto,
        secret: "db".to_owned(),
        changes: BTreeMap::from([("shop".to_owned(), Changed { revision, at: DateTime::UNIX_EPOCH })]),
    });
    let running = tokio::spawn(restarts.run(stop.clone()));
    let asking = async {
        requests.recv().await.unwrap();
        let began = Instant::now();
        for _ in 0..4 {
            requests.recv().await.unwrap();
        }
        assert_eq!((stuck(&metrics, RESTARTS, began), progressed(&registry)), (0, 0));
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
    stop.cancel();
    running.await.unwrap();
    assert_eq!(metrics.loops.stuck(Instant::now() + Duration::from_hours(1)), []);
}

#[test]
fn no_loop_is_judged_before_the_longest_of_its_steps_could_have_ended() {
    let (requests, restart_request, handshake) = (Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(10));
    for (judged, longest) in [
        (LEASE, requests * 4),
        (STATE, requests * 4),
        (RESTARTS, restart_request),
        (DRIFT, requests * 1000 / 8),
        (RESTORING, requests * 1000 / 4),
        (VOLUMES, handshake * 2),
        (FOLLOW, crate::volumes::FOLLOW_STEP_MAX * 2),
    ] {
        assert!(judged.step_limit > longest, "{judged:?} may take {longest:?}");
    }
}
