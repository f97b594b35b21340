//! Fetching parts: clear about what is missing.

use std::process::Command;

use anyhow::Result;
use lockstep_testbed::Folder;

/// What `lockstep-testbed fetch` says of a part on a machine with nothing on PATH and an empty cache.
fn refusal(part: &str) -> Result<String> {
    let cache = Folder::new("cache")?;
    let output = Command::new(env!("CARGO_BIN_EXE_lockstep-testbed"))
        .args(["fetch", part])
        .env("PATH", "/nowhere")
        .env("XDG_CACHE_HOME", cache.path())
        .env_remove("KUBEBUILDER_ASSETS")
        .env_remove("LOCKSTEP_VAULT")
        .output()?;
    assert!(!output.status.success());
    Ok(String::from_utf8(output.stderr)?)
}

#[test]
fn without_python_the_error_says_what_to_install() -> Result<()> {
    for part in ["postgres", "openbao"] {
        let told = refusal(part)?;
        assert!(told.contains("python3 is needed") && told.contains("install Python 3 with pip"), "{told}");
    }
    Ok(())
}

#[test]
fn without_go_the_error_says_what_to_install() -> Result<()> {
    let told = refusal("kwok")?;
    assert!(told.contains("go is needed") && told.contains("install Go"), "{told}");
    Ok(())
}

#[test]
fn an_unknown_part_is_answered_with_the_known_ones() -> Result<()> {
    let told = refusal("mysql")?;
    assert!(told.contains("the parts are: postgres, openbao"), "{told}");
    Ok(())
}

#[test]
fn without_apt_the_error_says_what_is_needed() -> Result<()> {
    // Nothing is fetched where it is installed.
    if lockstep_testbed::part::Part::Faketime.find()?.starts_with("/usr") {
        return Ok(());
    }
    let told = refusal("faketime")?;
    assert!(told.contains("apt-get is needed"), "{told}");
    Ok(())
}
