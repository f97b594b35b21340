//! `cargo fuzz run vault_answer`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(vault_answer);
