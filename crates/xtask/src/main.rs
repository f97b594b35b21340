//! `cargo xtask …`: the two commands of this repository. Only the standard library, so that it starts at once on a fresh machine.

use std::process::ExitCode;

mod bench;
mod book;
mod cache;
mod cargo;
mod dashboards;
mod demo;
mod fuzz;
mod licences;
mod stage;
mod test;
mod tool;

const HELP: &str = "\
Lockstep's tasks.

  cargo xtask demo [--once] [--kubernetes]   fetches what is missing, starts everything on real parts, and shows secrets arriving;
                                             --kubernetes: into Secrets of five real kube-apiservers, instead of folders
  cargo xtask test [--quick]                 fetches what is missing and runs all tests; --quick leaves out what needs kube-apiserver
  cargo xtask bench propagation|first-sync   measures an optimised build against a bare loop in the same run
  cargo xtask bench memory                   measures what an optimised agent and server weigh with many Secrets
  cargo xtask bench mount                    measures what a pod's mount costs, against a bare gRPC responder in the same run
  cargo xtask book                           makes docs/ into pages for a browser, with mdBook
  cargo xtask dashboards                     builds dashboards/*.json from dashboards/src
  cargo xtask fuzz TARGET SECONDS            searches with libFuzzer, which needs a C++ compiler; tests/fuzz/fuzz_targets has the targets
  cargo xtask help                           this

Build output and fetched parts are kept in $XDG_CACHE_HOME/lockstep (or ~/.cache/lockstep); CARGO_TARGET_DIR is respected.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] | ["test", "--help" | "-h"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        ["demo", rest @ ..] => demo::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["book"] => book::run(),
        ["dashboards"] => dashboards::run(),
        ["test"] => test::run(test::Extent::All),
        ["fuzz", target, seconds] => fuzz::run(target, seconds),
        ["test", "--quick"] => test::run(test::Extent::Quick),
        _ => {
            eprintln!("xtask: unknown task {:?}\n\n{HELP}", arguments.join(" "));
            ExitCode::from(2)
        }
    }
}
