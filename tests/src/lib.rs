//! End-to-end, fault and tidy tests; this library has what they share.

pub mod csi_driver;
pub mod node_agent;
pub mod otlp;
