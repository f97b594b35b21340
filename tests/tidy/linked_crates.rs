//! What is linked in the end, through however many crates.

use anyhow::{Result, ensure};

use crate::repository::cargo;

#[test]
fn the_agent_links_no_sql_no_vault_client_no_templates_and_no_schedules() -> Result<()> {
    let tree = cargo(&["tree", "-p", "lockstep-agent", "-e", "normal", "--prefix", "none"])?;
    ensure!(tree.lines().any(|line| line.starts_with("tonic ")), "this is not the agent's tree: {tree}");
    let refused = [
        "sqlx",
        "vaultrs",
        "rustify",
        "reqwest",
        "minijinja",
        "croner",
        "chrono-tz",
        "lockstep-store",
        "lockstep-vault",
        "lockstep-server",
    ];
    for library in refused {
        let found =
            tree.lines().find(|line| line.split(['-', ' ']).next() == Some(library) || line.starts_with(&format!("{library} ")));
        ensure!(found.is_none(), "the agent links {found:?}");
    }
    Ok(())
}

#[test]
fn there_is_one_tls_stack_rustls_with_aws_lc() -> Result<()> {
    let users = |library: &str| cargo(&["tree", "--workspace", "-i", library]);
    ensure!(users("rustls")?.contains("lockstep-server"), "cargo tree does not tell who uses rustls");
    ensure!(users("aws-lc-rs")?.contains("lockstep-core"), "cargo tree does not tell who uses aws-lc-rs");
    for library in ["ring", "openssl-sys", "native-tls"] {
        // An error says that it is not even in Cargo.lock.
        let users = users(library).unwrap_or_default();
        ensure!(users.trim().is_empty(), "{library} is used by:\n{users}");
    }
    Ok(())
}

#[test]
fn there_is_one_version_of_each_crate_that_types_are_exchanged_with() -> Result<()> {
    let tree = cargo(&["tree", "--workspace", "-e", "normal", "--prefix", "none", "--no-dedupe"])?;
    for library in ["rustls", "tokio", "tonic", "prost", "axum", "sqlx", "http", "chrono", "uuid"] {
        let mut versions: Vec<&str> =
            tree.lines().filter_map(|line| line.strip_prefix(library)?.strip_prefix(" v")?.split(' ').next()).collect();
        versions.sort_unstable();
        versions.dedup();
        ensure!(versions.len() == 1, "{library} is there as {versions:?}");
    }
    Ok(())
}
