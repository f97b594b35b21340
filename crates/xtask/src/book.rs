//! `cargo xtask book`: the documents as pages for a browser.

use std::process::{Command, ExitCode};

use crate::cargo::root;
use crate::stage;
use crate::tool::Tool;

/// Without what serves pages and watches files.
const MDBOOK: Tool = Tool { name: "mdbook", version: "0.5.4", arguments: &["--no-default-features", "--features", "search"] };

/// Makes it and says where it is.
pub(crate) fn run() -> ExitCode {
    if !stage::run("book", build()).is_good {
        return ExitCode::FAILURE;
    }
    println!("open book/introduction.html");
    ExitCode::SUCCESS
}

/// Its making. Into `book`, beside `docs`, so that links from pages to code lead there.
pub(crate) fn build() -> Result<Command, String> {
    let mut command = Command::new(MDBOOK.find()?);
    command.args(["build", "docs"]).current_dir(root()?);
    Ok(command)
}
