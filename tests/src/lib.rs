//! End-to-end, fault and tidy tests; this library has what they share.

pub mod otlp;
