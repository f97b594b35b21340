//! Rolling restarts: when the content of a Secret changed, the workloads that use it get new pods, a few at a time.
//!
//! Level, not edge: what is due is read from the workloads ([`annotation`]) and their [`pods`], never remembered. So the same change given again, also
//! by an agent that was restarted, restarts nothing, and a crash between the change and its restarts is made up for.
//!
//! | module | what it is |
//! |---|---|
//! | `kind`, `left_alone`, `object`, `pods`, `references`, `rollout`, `seen`, `selector` | a workload: what is read of it, what it uses, how far it is |
//! | `plan`, `settle`, `taken`, `report` | what to do and to say: pure |
//! | `api`, `discovery`, `look` | what is asked of the API server |
//! | `round`, `upkeep` | the loop |

mod annotation;
mod api;
mod discovery;
mod kind;
mod left_alone;
mod look;
mod object;
mod plan;
mod pods;
mod references;
mod report;
mod rollout;
mod round;
mod seen;
mod selector;
mod settle;
mod taken;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::binding::Restart;
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;
use lockstep_core::selector::Selector;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::Metrics;
use api::Api;
pub(crate) use kind::Kind;
use kind::Workload;
pub(crate) use report::Report;

/// A change of content whose users have to be restarted, if they were not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) binding: BindingId,
    /// The binding's name, for people.
    pub(crate) name: String,
    pub(crate) policy: Policy,
    /// The Secret's name.
    pub(crate) secret: String,
    /// By the namespace where it is: each has a change of its own. Never empty.
    pub(crate) changes: BTreeMap<String, Changed>,
}

impl Due {
    /// What a workload has to be restarted for, if there is such a Secret in its namespace.
    fn changed_for(&self, workload: &Workload) -> Option<Changed> {
        self.changes.get(&workload.namespace).copied()
    }

    /// Of the newest change, for reports.
    fn revision(&self) -> Option<Revision> {
        self.changes.values().map(|changed| changed.revision).max()
    }

    /// Nothing goes back: what was known of a namespace and is newer stays.
    fn keep_newer(&mut self, known: &Self) {
        for (namespace, changed) in &mut self.changes {
            if let Some(known) = known.changes.get(namespace).filter(|known| known.revision > changed.revision) {
                *changed = *known;
            }
        }
    }
}

/// Which workloads are restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Those that refer to the Secret.
    Auto,
    /// Those that are named, and those whose labels are selected, whether they refer to the Secret or not.
    Selected {
        /// By name, in any of the namespaces.
        workloads: Vec<(Kind, String)>,
        /// On the workloads' own labels.
        selector: Option<Selector>,
    },
}

impl Policy {
    /// As a binding says it; `None`: nothing restarts.
    pub(crate) fn of(restart: &Restart) -> Option<Self> {
        match restart {
            Restart::None => None,
            Restart::Auto => Some(Self::Auto),
            Restart::Selected { workloads, selector } => Some(Self::Selected {
                workloads: workloads.iter().map(|workload| (workload.kind.into(), workload.name.to_string())).collect(),
                selector: selector.clone(),
            }),
        }
    }
}

/// When content changed. It goes with the content: as long as that stays the same, both stay the same, also across restarts of
/// the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The revision that brought it.
    pub(crate) revision: Revision,
    /// When it was in the Secret: taken after the write, so that a pod that started later has it.
    pub(crate) at: DateTime<Utc>,
}

/// How restarts go about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The most workloads in motion at a time. 0: none is restarted.
    pub(crate) budget: usize,
    /// Changes are taken up when none came for this long, …
    pub(crate) settle: Duration,
    /// … and this long after the first at the latest.
    pub(crate) settle_max: Duration,
    /// A rollout that takes longer is stuck.
    pub(crate) stuck_after: Duration,
    /// Content that changes again while a workload rolls out restarts it again this long after the last time, or when it is
    /// rolled out.
    pub(crate) again_after: Duration,
    /// How often a workload in motion is looked at.
    pub(crate) poll: Duration,
    /// How often one that is stuck, left alone or refused is looked at.
    pub(crate) poll_slowly: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budget: 3,
            settle: Duration::from_secs(2),
            settle_max: Duration::from_secs(10),
            stuck_after: Duration::from_secs(600),
            again_after: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            poll_slowly: Duration::from_secs(30),
        }
    }
}

/// The newest report of each binding.
pub(crate) type Reports = BTreeMap<BindingId, Report>;

/// A handle to the restarts of this cluster.
#[derive(Clone)]
pub(crate) struct Restarts {
    desk: Arc<Desk>,
}

/// What handles and the loop share.
struct Desk {
    api: Api,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Whether this agent may still write: asked before each restart.
    fence: Arc<dyn Fn() -> bool + Send + Sync>,
    metrics: Metrics,
    wants: Mutex<BTreeMap<BindingId, Arc<Due>>>,
    /// `wants` changed.
    woken: Notify,
    reports: watch::Sender<Reports>,
}

impl fmt::Debug for Restarts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restarts")
    }
}

impl Restarts {
    /// Nothing is done before [`run`](Self::run).
    pub(crate) fn new(
        client: kube::Client,
        settings: Settings,
        clock: Arc<dyn Clock>,
        fence: Arc<dyn Fn() -> bool + Send + Sync>,
        metrics: Metrics,
    ) -> Self {
        let (wants, woken, reports) = (Mutex::default(), Notify::new(), watch::Sender::default());
        Self {
            desk: Arc::new(Desk {
                api: Api::new(client, metrics.clone()),
                settings,
                clock,
                fence,
                metrics,
                wants,
                woken,
                reports,
            }),
        }
    }

    /// Has the users of a changed Secret restarted. May be said again at any time; where it is older than what
    /// is known of the binding, that stays.
    pub(crate) fn want(&self, mut due: Due) {
        let mut wants = self.desk.wants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = wants.get(&due.binding) {
            due.keep_newer(known);
        }
        if wants.get(&due.binding).is_none_or(|known| **known != due) {
            wants.insert(due.binding, Arc::new(due));
            self.desk.woken.notify_one();
        }
    }

    /// Restarts nothing more for this binding. What is in motion goes on by itself and keeps its slot.
    pub(crate) fn forget(&self, binding: BindingId) {
        self.desk.wants.lock().unwrap_or_else(PoisonError::into_inner).remove(&binding);
        self.desk.woken.notify_one();
    }

    /// The newest report of each binding, from now on and whenever one changes.
    pub(crate) fn reports(&self) -> watch::Receiver<Reports> {
        self.desk.reports.subscribe()
    }

    /// Works until `stop` is cancelled. May be run again after that, with the same wants; not twice at a time.
    pub(crate) async fn run(self, stop: CancellationToken) {
        round::run(self.desk, stop).await;
    }
}
