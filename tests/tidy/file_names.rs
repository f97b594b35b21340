//! A name says what is in there.

use anyhow::Result;

use crate::repository::{files, none};

const SAY_NOTHING: [&str; 10] = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers", "shared", "mod"];

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() -> Result<()> {
    let says_nothing = |path: &str| path.split('/').any(|part| SAY_NOTHING.contains(&part.split('.').next().unwrap_or(part)));
    let found: Vec<String> = files()?.into_iter().map(|file| file.path).filter(|path| says_nothing(path)).collect();
    none(&found, "name these by what they do")
}

#[test]
fn rust_files_are_in_snake_case() -> Result<()> {
    let is_snake = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let stem = |name: &str| name.trim_end_matches(".rs").to_owned();
    // prost names what it generates after the protocol's package.
    let found: Vec<String> = files()?
        .into_iter()
        .filter(|f| f.is("rs") && !f.path.contains("/gen/") && !is_snake(&stem(f.name())))
        .map(|f| f.path)
        .collect();
    none(&found, "write these in snake_case")
}
