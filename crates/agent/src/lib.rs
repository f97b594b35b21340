//! The Lockstep agent: one for each cluster. It dials a server, says what it holds, and holds what the server sends.
//!
//! What always holds: nothing is deleted on doubt, no revision goes back, no plaintext is written anywhere but to its target, and
//! the agent may be killed between any two steps.
//!
//! | module | what it is |
//! |---|---|
//! | [`command`], [`run`], [`status`], [`logging`], [`memory`] | the command and its edges |
//! | `join`, `tls`, `connect`, `bearer`, `key`, `certificate` | who the agent is, and the way to a server |
//! | `link` | the one stream: greeting, work, drift, renewal |
//! | `holdings` | what comes and goes, by which rules |
//! | [`node`] | the program's other form: on each node, what a CSI driver mounts volumes by |
//! | `sink` | where content is written |
//! | `restart` | new pods for workloads whose Secret changed |
//! | `state`, `durable`, `cache` | what survives a restart |
//! | `restoring` | bringing Secrets back from the cache while there is no link |
//! | `metrics`, `loops`, `probe` | what it shows, and which of its loops are judged |
//! | `volumes` | what pods mount, for the node agents of the cluster |
//! | `kubernetes`, `lease` | the API server of the agent's own cluster, and which replica works |

pub mod address;
pub mod agent;
pub mod clock;
pub mod command;
pub mod logging;
pub mod memory;
pub mod node;
pub mod run;
pub mod state;
pub mod status;
pub mod tls;

mod backoff;
mod bearer;
mod blocking;
mod cache;
mod certificate;
mod connect;
mod delivery;
mod durable;
mod holdings;
mod identity_tokens;
mod join;
mod key;
mod kubernetes;
mod lease;
mod link;
mod loops;
mod metrics;
pub use metrics::all as declared_metrics;
mod need;
mod probe;
mod restart;
mod restoring;
mod sink;
mod tracer;
mod turns;
mod volumes;
