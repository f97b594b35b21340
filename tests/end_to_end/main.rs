//! Stories on all the real parts.

mod binary;
mod bindings;
mod cli;
mod deletions;
mod drift;
mod joining;
mod load;
mod metrics_and_logs;
mod one_write;
mod quiet;
mod versions;
