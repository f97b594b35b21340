//! Stories on all the real parts, with a real kube-apiserver, a controller manager and kwok where something rolls out. The agent has
//! the rights of its chart's own ServiceAccount, and no others.

mod binary;
mod deletion;
mod drift;
mod importing;
mod keyless;
mod observe;
mod ownership;
mod read_as_cluster;
mod restarts;
mod rotation;
mod shop;
mod strict;
mod takeover;
mod vault_login;
mod workload;
