//! What holds for the repository's files as they lie there.

mod repository;

mod agent_binary;
mod crate_directions;
mod documents;
mod file_length;
mod file_names;
mod linked_crates;
mod machine_traces;
mod metrics_names;
mod unfinished_work;
mod words;
