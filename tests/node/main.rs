//! `lockstep-agent node` between a driver of the tests' own and agents of the tests' own, over a Unix socket and real TLS.

mod agent;
mod authority;
mod finding;
mod mounting;
mod refused;
mod running;
mod world;
