//! `cargo fuzz run caller_token`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(caller_token);
