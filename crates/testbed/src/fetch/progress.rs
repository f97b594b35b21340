//! Progress lines on standard error.

use std::io::Write as _;

/// Written past the test harness, which holds back what `eprintln!` says until a test fails: a first run that builds parts
/// would look as if it hung.
pub(super) fn tell(line: &str) {
    // Whoever closed standard error does not want to know.
    let _ = writeln!(std::io::stderr(), "testbed: {line}");
}
