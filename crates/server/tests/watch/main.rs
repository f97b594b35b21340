//! The watcher of one source, with a real registry and a real Vault where that can be made to show what is tested.

mod bad_paths;
mod engines;
mod fixture;
mod long_looks;
mod pauses;
mod problems;
mod relay;
mod restarts;
mod scans;
