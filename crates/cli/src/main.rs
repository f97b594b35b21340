//! `lockstep`, the operator's command.

mod age;
mod args;
mod clock;
mod command;
mod connection;
mod format;
mod import;
mod item;
mod kind;
mod manifest;
mod private;
mod progress;
mod rest;
mod selection;
mod settings;
mod sso;
mod table;
mod terminal;

use std::io;
use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    match args.command.run(&args.connection).await {
        Ok(code) => code,
        // Whoever read our output has enough, as in `lockstep get bindings | head`. What does more than show goes on: see `terminal::tell`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<command::Told>() => args.command.error_code(),
        Err(error) => {
            terminal::note(&format!("error: {error:#}"));
            if let Some(missing) = error.downcast_ref::<rest::missing::Missing>() {
                terminal::hint(&missing.advice());
            }
            args.command.error_code()
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}
