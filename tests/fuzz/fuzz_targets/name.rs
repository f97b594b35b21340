//! `cargo fuzz run name`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(name);
