//! Stories on all the real parts.

#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

mod access;
mod binary;
mod bindings;
mod blast_radius;
mod by_cluster;
mod certificates;
mod ci_job;
mod cli;
mod closed_pipe;
mod deletions;
mod drift;
mod engines;
mod importing;
mod joining;
mod load;
mod log_level;
mod memory;
mod metrics_and_logs;
mod one_write;
mod operating;
mod quiet;
mod revoking;
mod rollback;
mod rotating;
mod stuck;
mod traces;
mod versions;
