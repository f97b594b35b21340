//! A registry that was restored from an older dump: what was seen outside it is believed, nothing is sent or deleted, and an operator's
//! word ends that.

mod observed;

mod older_than_agents;
mod older_than_mark;
mod tampered;
mod under_running_servers;
