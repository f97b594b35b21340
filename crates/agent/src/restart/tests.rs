//! The plan by tables; the rest on a real API server with a real controller manager.

mod again;
mod ageing;
mod budget;
mod choosing;
mod fixture;
mod once;
mod planning;
mod taken_back;
