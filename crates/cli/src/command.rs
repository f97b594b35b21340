//! The commands: one file each, with its options, its help and what it does.

mod aftermath;
mod apply;
mod audit;
mod blast_radius;
mod ca;
mod cluster;
mod completion;
mod confirm;
mod consent;
mod context;
mod delete;
mod deliveries;
mod describe;
mod diff;
mod doctor;
mod epoch;
mod get;
mod import;
mod log_filter;
mod login;
mod pinned;
mod rollback;
mod rotation;
mod source;
mod status;
mod sync;
mod token;
mod unpin;
mod version;
mod wait;
mod watch;
mod who_has;
mod why;

pub(crate) use apply::Told;

use std::process::ExitCode;

use clap::Subcommand;

use crate::connection::ConnectionArgs;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(login::Args),
    Context(context::Args),
    Apply(apply::Args),
    Diff(diff::Args),
    Delete(delete::Args),
    Get(get::Args),
    Describe(describe::Args),
    Status(status::Args),
    Wait(wait::Args),
    WhoHas(who_has::Args),
    Deliveries(deliveries::Args),
    Sync(sync::Args),
    Audit(audit::Args),
    Doctor(doctor::Args),
    Cluster(cluster::Args),
    Confirm(confirm::Args),
    Rollback(rollback::Args),
    Unpin(unpin::Args),
    Why(why::Args),
    Token(token::Args),
    Source(source::Args),
    Rotation(rotation::Args),
    Ca(ca::Args),
    Epoch(epoch::Args),
    LogFilter(log_filter::Args),
    Import(import::Args),
    Completion(completion::Args),
    Version(version::Args),
}

impl Command {
    /// Does it. The exit code is for what is no error, such as a difference that `diff` found.
    pub(crate) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<ExitCode> {
        match self {
            Self::Login(args) => args.run(connection).await?,
            Self::Context(args) => args.run()?,
            Self::Apply(args) => args.run(connection).await?,
            Self::Diff(args) => return args.run(connection).await,
            Self::Delete(args) => args.run(connection).await?,
            Self::Get(args) => args.run(connection).await?,
            Self::Describe(args) => args.run(connection).await?,
            Self::Status(args) => args.run(connection).await?,
            Self::Wait(args) => args.run(connection).await?,
            Self::WhoHas(args) => return args.run(connection).await,
            Self::Deliveries(args) => args.run(connection).await?,
            Self::Sync(args) => args.run(connection).await?,
            Self::Audit(args) => return args.run(connection).await,
            Self::Doctor(args) => return args.run(connection).await,
            Self::Cluster(args) => args.run(connection).await?,
            Self::Confirm(args) => args.run(connection).await?,
            Self::Rollback(args) => args.run(connection).await?,
            Self::Unpin(args) => args.run(connection).await?,
            Self::Why(args) => args.run(connection).await?,
            Self::Source(args) => args.run(connection).await?,
            Self::Rotation(args) => args.run(connection).await?,
            Self::Token(args) => args.run(connection).await?,
            Self::Ca(args) => args.run(connection).await?,
            Self::Epoch(args) => args.run(connection).await?,
            Self::LogFilter(args) => args.run(connection).await?,
            Self::Import(args) => return args.run(),
            Self::Completion(args) => args.run()?,
            Self::Version(args) => args.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The exit code of an error. `diff` keeps 1 for a difference, as kubectl does, and `who-has` for nobody, as grep does.
    pub(crate) fn error_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Diff(_) | Self::WhoHas(_)) { 2 } else { 1 })
    }
}
