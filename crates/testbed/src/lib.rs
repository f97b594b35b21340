//! Starts the real parts on loopback, for tests, demo and benchmarks: Postgres, OpenBao, a Kubernetes API server.
//!
//! A part is looked for on the machine first and fetched once into the user's cache otherwise (see [`fetch`]). Each
//! listens on a free port, works in a folder of its own, and ends with its owner: when the value is dropped, and also
//! when the owner panics, is interrupted (see [`Interrupt`]), or is killed with `kill -9` (see [`process`]).
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use lockstep_testbed::{OpenBao, Postgres};
//!
//! let database = Postgres::shared().await?.create_database().await?;
//! let bao = OpenBao::start().await?;
//! bao.enable_kv("kv").await?;
//! let version = bao.kv_put("kv", "team/db", &serde_json::json!({ "password": "s3cret" })).await?;
//! assert_eq!(version, 1);
//! # let _ = database.url();
//! # Ok(())
//! # }
//! ```

mod bin;
pub mod cache;
pub mod charts;
pub mod checkout;
pub mod csi_driver;
mod executable;
pub mod faketime;
pub mod fetch;
pub mod fleet;
mod folder;
mod http;
mod interrupt;
pub mod kubernetes;
pub mod openbao;
pub mod page;
pub mod part;
pub mod port;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod relay;
pub mod shop;
pub mod wait;

pub use bin::bin;
pub use fleet::Fleet;
pub use folder::Folder;
pub use http::Refused;
pub use interrupt::Interrupt;
pub use kubernetes::Kubernetes;
pub use openbao::OpenBao;
pub use postgres::{Database, Postgres};
pub use process::Process;
pub use prometheus::Prometheus;
pub use relay::Relay;
