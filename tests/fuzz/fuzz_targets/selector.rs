//! `cargo fuzz run selector`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(selector);
