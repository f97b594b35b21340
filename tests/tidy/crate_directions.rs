//! Which crate may use which.

use anyhow::{Context as _, Result, ensure};

use crate::repository::packages;

/// Each crate, and those of ours that it uses: these and no others.
const USES: [(&str, &[&str]); 13] = [
    ("core", &[]),
    ("api", &["core"]),
    ("proto", &["core"]),
    ("store", &["core"]),
    ("telemetry", &["core"]),
    ("vault", &["core", "telemetry"]),
    ("server", &["api", "core", "proto", "store", "telemetry", "vault"]),
    ("agent", &["core", "proto", "telemetry"]),
    ("cli", &["api", "core"]),
    // They run the binaries; nothing links them.
    ("testbed", &[]),
    ("xtask", &[]),
    // The Vault client for its logins where they need a real API server, the protocol for an agent that says what it likes.
    ("tests", &["api", "core", "proto", "testbed", "vault"]),
    // Whatever takes apart what comes from outside.
    ("fuzz", &["api", "core", "proto", "server", "vault"]),
];

/// What only these may use, whether in the crate or in its tests.
const KEPT_TO: [(&str, &[&str]); 3] =
    [("sqlx", &["server (tests)", "store", "testbed", "tests"]), ("vaultrs", &["vault"]), ("rustify", &["vault"])];

/// Each dependency of each package: who, on whom, and whether only its tests do.
fn dependencies() -> Result<Vec<(String, String, bool)>> {
    let mut all = Vec::new();
    for package in packages()? {
        let who = short(package["name"].as_str().context("a package without a name")?);
        for dependency in package["dependencies"].as_array().context("a package without dependencies")? {
            let on = dependency["name"].as_str().context("a dependency without a name")?.to_owned();
            all.push((who.clone(), on, dependency["kind"] == "dev"));
        }
    }
    Ok(all)
}

fn short(name: &str) -> String {
    name.trim_start_matches("lockstep-").to_owned()
}

#[test]
fn crates_use_each_other_in_the_one_direction_that_the_design_names() -> Result<()> {
    let names: Vec<String> = packages()?.iter().filter_map(|p| p["name"].as_str().map(short)).collect();
    for name in &names {
        let listed = USES.iter().any(|(who, _)| *who == name || (*who == "cli" && name == "lockstep"));
        ensure!(listed, "crate {name} is not in the list: say there what it may use");
    }
    let dependencies = dependencies()?;
    for (who, allowed) in USES {
        let who = if who == "cli" && names.iter().any(|n| n == "lockstep") { "lockstep" } else { who };
        let of_ours = |is_dev| {
            let mut used: Vec<String> = dependencies
                .iter()
                .filter(|(w, on, dev)| w == who && *dev == is_dev && on.starts_with("lockstep-"))
                .map(|(_, on, _)| short(on))
                .collect();
            used.sort();
            used
        };
        assert_eq!(of_ours(false), allowed, "what {who} uses");
        let tests = of_ours(true);
        ensure!(tests.iter().all(|on| on == "testbed"), "the tests of {who} use {tests:?}; only the testbed is for all tests");
    }
    Ok(())
}

#[test]
fn sql_is_in_the_store_and_the_vault_client_in_the_vault_crate_only() -> Result<()> {
    let dependencies = dependencies()?;
    for (library, allowed) in KEPT_TO {
        let mut users: Vec<String> = dependencies
            .iter()
            .filter(|(_, on, _)| on == library)
            .map(|(who, _, dev)| if *dev { format!("{who} (tests)") } else { who.clone() })
            .collect();
        users.sort();
        users.dedup();
        assert_eq!(users, allowed, "who uses {library}");
    }
    Ok(())
}
