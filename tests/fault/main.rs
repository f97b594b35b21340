//! What breaks, and what is true meanwhile and afterwards. All parts are real; each test has a fleet of its own.

mod agent_killed;
mod bad_input_stops_nobody;
mod fencing;
mod gauges;
mod link;
mod postgres;
mod shop;
mod takeover;
mod vault;
