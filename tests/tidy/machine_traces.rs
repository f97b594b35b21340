//! Nothing of the machine that a file was written on, and nothing of where its parts were fetched from.

use anyhow::{Result, ensure};

use crate::repository::{files, none};

/// Where people and their sessions keep things. In two parts, so that this file is not found.
const FOLDERS: [&str; 6] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/Us", "ers/"),
    concat!("/mn", "t/"),
];

const HOSTS: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("docker", ".io"),
    concat!("ghcr", ".io"),
];

/// Whether `line` has `folder` where a path begins.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        // In the middle of a path it is something else: `{mount}/root/generate`.
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}>)".contains(c))
    })
}

#[test]
fn no_file_names_a_path_of_one_machine() -> Result<()> {
    let mut found = Vec::new();
    for file in files()? {
        for (number, line) in file.lines() {
            if FOLDERS.iter().any(|folder| names_folder(line, folder)) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&found, "these name a path of one machine")
}

#[test]
fn no_file_names_a_registry_but_the_lock_file_as_cargo_writes_it() -> Result<()> {
    let mut found = Vec::new();
    for file in files()? {
        for (number, line) in file.lines() {
            let is_lock = file.path == "Cargo.lock" && line.starts_with("source = ");
            if !is_lock && HOSTS.iter().any(|host| line.contains(host)) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&found, "parts come through the ordinary clients, as each machine has them set up: name no registry")
}

#[test]
fn the_lock_file_is_there() -> Result<()> {
    ensure!(files()?.iter().any(|file| file.path == "Cargo.lock"), "Cargo.lock is not in the repository");
    Ok(())
}

#[test]
fn a_folder_counts_only_where_a_path_begins() {
    assert!(names_folder(concat!("see /tm", "p/x"), FOLDERS[3]) && names_folder(concat!("\"/tm", "p/x\""), FOLDERS[3]));
    assert!(!names_folder(concat!("{mount}/tm", "p/x"), FOLDERS[3]) && !names_folder(concat!("var/tm", "p/x"), FOLDERS[3]));
}

/// Cargo does not build anew what was built in another checkout that shares its target folder: it would read that one's files.
#[test]
fn no_file_is_looked_for_where_this_was_built() -> Result<()> {
    let mut found = Vec::new();
    for file in files()?.into_iter().filter(|file| file.is("rs")) {
        for (number, line) in file.lines() {
            if line.contains(concat!("env!(\"CARGO_MANI", "FEST_DIR\")")) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&found, "find it when it is needed: lockstep_testbed::checkout::find, or the variable at run time")
}
