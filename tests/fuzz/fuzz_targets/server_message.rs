//! `cargo fuzz run server_message`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(server_message);
