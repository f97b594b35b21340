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

/// Writes what a command did, or found out, while more is to be done. That nobody reads it any more, as behind `| head -1`, stops nothing: half
/// of what was asked for is worse than all of it, and the exit code says more than the lines.
pub(crate) fn tell(text: &str) -> io::Result<()> {
    match print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Lines as one text, each with its newline.
pub(crate) fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Writes a line to standard error. That nobody can read it is not worth failing for.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes a question to standard error; the answer comes on the same line.
pub(crate) fn ask(text: &str) {
    let mut err = io::stderr();
    let _ = write!(err, "{text}").and_then(|()| err.flush());
}

/// Whether a person looks at both outputs.
pub(crate) fn is_watched() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Says what to do next, if a person looks at both outputs; scripts and pipes get nothing but data.
pub(crate) fn hint(text: &str) {
    if is_watched() {
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

/// How many characters a line of standard output has, if that is a terminal.
pub(crate) fn width() -> Option<usize> {
    io::stdout().is_terminal().then(|| size().1)
}

/// How many lines and columns standard output shows.
fn size() -> (usize, usize) {
    const USUAL: (usize, usize) = (24, 80);
    crossterm::terminal::size().map_or(USUAL, |(columns, lines)| (lines.into(), columns.into()))
}

/// Moves what is on the terminal up, where it can be scrolled back to, before the first [`redraw`].
pub(crate) fn make_room() -> io::Result<()> {
    print(&"\n".repeat(size().0))
}

/// Writes `text` from the terminal's top, over what is there: one write and no clearing first, so that it does not flicker.
pub(crate) fn redraw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(painted(text, size().0).as_bytes())?;
    out.flush()
}

/// As much of `text` as there are lines for. Lines that are too long end at the edge: going on below, they would push others out.
fn painted(text: &str, lines_max: usize) -> String {
    const HOME_WITHOUT_WRAP: &str = "\x1b[H\x1b[?7l";
    const TO_LINE_END: &str = "\x1b[K";
    const TO_END_AND_WRAP: &str = "\x1b[J\x1b[?7h";
    // The last line is where the cursor rests.
    let room = lines_max.saturating_sub(1).max(1);
    let count = text.lines().count();
    let shown = if count > room { room - 1 } else { count };
    let mut painted = HOME_WITHOUT_WRAP.to_owned();
    let more = (count > room).then(|| format!("… and {} more lines: make the window taller", count - shown));
    for line in text.lines().take(shown).chain(more.as_deref()) {
        // Cleared first: after a line that fills its row, clearing would take the last character.
        painted.push_str(TO_LINE_END);
        painted.push_str(line);
        painted.push('\n');
    }
    painted + TO_END_AND_WRAP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_painted_over_the_last_one_and_never_scrolls() {
        assert_eq!(painted("a\nb\n", 24), "\x1b[H\x1b[?7l\x1b[Ka\n\x1b[Kb\n\x1b[J\x1b[?7h");
        let cut = painted("1\n2\n3\n4\n5\n", 4);
        assert_eq!(cut.lines().count(), 4, "{cut:?}");
        assert!(cut.contains("K2\n") && !cut.contains("K3\n") && cut.contains("… and 3 more lines"), "{cut:?}");
    }
}
