//! What is written where: data to standard output, everything for people to standard error, and only where a person looks.

use std::env;
use std::io::{self, IsTerminal, Write};

/// Writes data to standard output and ends it with a newline. Unlike `println!`, a closed pipe is an error and no panic.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Lines as one text, each with its newline.
pub(crate) fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Writes a line to standard error. That nobody can read it is not worth failing for.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says what to do next, if a person looks at both outputs; scripts and pipes get nothing but data.
pub(crate) fn hint(text: &str) {
    if io::stdout().is_terminal() && io::stderr().is_terminal() {
        note(&format!("\n{text}"));
    }
}

/// Whether standard output may have colours: a terminal, and `NO_COLOR` (<https://no-color.org>) not set.
pub(crate) fn has_colours() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether standard output can be redrawn.
pub(crate) fn can_redraw() -> bool {
    io::stdout().is_terminal()
}

/// Clears the terminal and writes `text` from its top: one write, so that it does not flicker.
pub(crate) fn redraw(text: &str) -> io::Result<()> {
    const HOME_AND_CLEAR: &str = "\x1b[H\x1b[2J";
    print(&format!("{HOME_AND_CLEAR}{text}"))
}
