//! Asking for help starts nothing.

use std::process::Command;

#[test]
fn every_task_answers_help() {
    for words in [&["--help"][..], &["help"], &["test", "--help"], &["test", "-h"], &[]] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().expect("xtask runs");
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("cargo xtask test [--quick]"), "{words:?}: {output:?}");
    }
}

#[test]
fn outside_of_a_checkout_the_folder_is_named() {
    let folder = std::env::temp_dir();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("demo")
        .current_dir(&folder)
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(&*folder.to_string_lossy()), "{said}");
    assert!(said.contains("run this inside a checkout"), "{said}");
}
