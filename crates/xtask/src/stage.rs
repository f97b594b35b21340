//! One stage of the tests: a command, what it printed about passed and failed tests, how long it took.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a stage ended.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) is_good: bool,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Runs a command, passing on what it prints.
pub(crate) fn run(name: &'static str, command: Result<Command, String>) -> Outcome {
    println!("\n== {name}");
    let began = Instant::now();
    let mut outcome = Outcome { name, took: Duration::ZERO, is_good: false, passed: 0, failed: 0 };
    match command.and_then(|command| execute(command, &mut outcome)) {
        Ok(is_good) => outcome.is_good = is_good,
        Err(reason) => println!("{reason}"),
    }
    if !outcome.is_good && outcome.failed == 0 {
        // A stage that is no test runner counts as one test.
        outcome.failed = 1;
    } else if outcome.is_good && outcome.passed == 0 {
        outcome.passed = 1;
    }
    outcome.took = began.elapsed();
    outcome
}

fn execute(mut command: Command, outcome: &mut Outcome) -> Result<bool, String> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("{command:?} cannot be run: {e}"))?;
    let output = child.stdout.take().ok_or("the command has no output")?;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some((passed, failed)) = counts(&line) {
            outcome.passed += passed;
            outcome.failed += failed;
        }
        println!("{line}");
    }
    child.wait().map(|status| status.success()).map_err(|e| e.to_string())
}

/// The counts of a closing line of libtest.
fn counts(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| {
        let before = rest.split(word).next()?;
        before.rsplit(|c: char| !c.is_ascii_digit()).find(|s| !s.is_empty())?.parse().ok()
    };
    Some((number(" passed")?, number(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closing_line_is_counted_and_nothing_else() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 4.29s";
        assert_eq!(counts(line), Some((12, 3)));
        assert_eq!(counts("12 passed; 3 failed"), None);
    }
}
