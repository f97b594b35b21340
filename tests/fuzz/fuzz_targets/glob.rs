//! `cargo fuzz run glob`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(glob);
