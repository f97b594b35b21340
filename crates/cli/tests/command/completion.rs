use std::io::Write as _;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::run::Place;

/// What bash offers after these words.
fn offered(script: &str, words: &str) -> Vec<String> {
    let list: Vec<String> = words.split(' ').map(|word| format!("'{word}'")).collect();
    let asking = format!(
        "set -eu\n{script}\nCOMP_WORDS=({}) COMP_CWORD={}\n_lockstep lockstep \"${{COMP_WORDS[COMP_CWORD]}}\" \
         \"${{COMP_WORDS[COMP_CWORD-1]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        list.join(" "),
        list.len() - 1
    );
    // Longer than an argument may be.
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(asking.as_bytes()).unwrap();
    let done = Command::new("bash").arg("--norc").arg(file.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_takes_the_script_and_completes_commands_options_and_values() {
    let done = Place::new().run("completion bash");
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let script = done.stdout;
    assert!(script.contains("complete -F _lockstep"), "{script}");
    assert_eq!(offered(&script, "lockstep comp"), ["completion"]);
    assert_eq!(offered(&script, "lockstep cluster reg"), ["register"]);
    assert_eq!(
        offered(&script, "lockstep import "),
        [&offered(&script, "lockstep import -")[..], &["eso", "vso", "csi"].map(String::from)].concat()
    );
    assert_eq!(offered(&script, "lockstep import eso --obs"), ["--observe"]);
    assert_eq!(offered(&script, "lockstep completion po"), ["powershell"]);
}

#[test]
fn every_shell_has_a_script() {
    let place = Place::new();
    for (shell, mark) in
        [("zsh", "#compdef lockstep"), ("fish", "complete -c lockstep"), ("powershell", "Register-ArgumentCompleter")]
    {
        let done = place.run(&format!("completion {shell}"));
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{shell}");
        assert!(done.stdout.contains(mark) && done.stdout.contains("import"), "{shell}");
    }
    assert_eq!(place.run("completion tcsh").code, 2);
}
