//! Rotations on all the real parts: what is changed at the source, who gets it when, and what becomes of a run that is interrupted.

mod client;
mod each;
mod fail_point;
mod held;
mod killed;
mod kinds;
mod once;
mod pairs;
mod refused;
mod renewed;
mod shop;
mod timing;
mod trouble;
