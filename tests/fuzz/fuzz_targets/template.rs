//! `cargo fuzz run template`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(template);
