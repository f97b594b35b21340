//! `cargo fuzz run agent_message`.
#![cfg_attr(fuzzing, no_main)]

lockstep_fuzz::entry!(agent_message);
