//! Canaries: values that would be noticed anywhere. After a run in which much goes wrong, logs, database, metrics, answers and state
//! are searched for every one of them in every form that it could have taken.

mod forms;
mod gathered;
mod rotated;
mod search;
mod traces;

mod planted_leaks_are_found;
mod run_leaves_no_trace;
