//! A long file is a design question.

use anyhow::{Result, ensure};

use crate::repository::{files, none};

const LINES_MAX: usize = 400;

/// Longer ones, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("crates/proto/src/gen/lockstep.agent.v1.rs", "generated"),
    ("crates/proto/src/gen/lockstep.node.v1.rs", "generated"),
    ("crates/proto/src/gen/v1alpha1.rs", "generated"),
];

#[test]
fn no_rust_file_is_longer_than_400_lines() -> Result<()> {
    let files = files()?;
    for (path, why) in EXCEPTIONS {
        let is_long = files.iter().any(|file| file.path == path && file.text.lines().count() > LINES_MAX);
        ensure!(is_long, "{path} is an exception ({why}) without need: take it out of the list");
    }
    let is_excepted = |path: &str| EXCEPTIONS.iter().any(|(excepted, _)| *excepted == path);
    let found: Vec<String> = files
        .iter()
        .filter(|file| file.is("rs") && !is_excepted(&file.path))
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none(&found, "split these by what they do")
}
