//! `cargo fuzz run manifest`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(manifest);
