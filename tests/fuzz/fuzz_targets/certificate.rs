//! `cargo fuzz run certificate`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(certificate);
