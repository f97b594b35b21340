//! What fits on the terminal, and painting it without flicker.

use std::fmt::Write as _;

use super::help::Help;

/// Taken where the terminal does not say.
const USUAL: Size = Size { width: 80, height: 24 };

/// Of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Size {
    /// As it is now: windows are resized.
    pub(super) fn of_terminal() -> Self {
        match crossterm::terminal::size() {
            Ok((width, height)) if width > 0 && height > 0 => Self { width: width.into(), height: height.into() },
            _ => USUAL,
        }
    }

    /// Rows that a line takes; one that is longer than the terminal is wide goes on below.
    fn rows(self, line: &str) -> usize {
        line.chars().count().div_ceil(self.width).max(1)
    }

    fn rows_of(self, lines: &[String]) -> usize {
        lines.iter().map(|line| self.rows(line)).sum()
    }
}

/// The lines of one picture: the table always, then as much of the help as there is room for, then what was told before.
pub(super) fn compose(told: &[String], table: &[String], help: &Help, size: Size) -> Vec<String> {
    let whole = help.lines();
    let mut lines: Vec<String> = table.iter().map(|line| line.chars().take(size.width).collect()).collect();
    let room = size.height.saturating_sub(lines.len());
    if size.rows_of(&whole) <= room {
        // Empty lines between the parts, and the story above, where nothing has to give way for them.
        let mut above = told.to_vec();
        above.push(String::new());
        let is_roomy = size.rows_of(&whole) < room;
        let has_story = size.rows_of(&above) + size.rows_of(&whole) < room;
        let mut all = if has_story { above } else { Vec::new() };
        all.append(&mut lines);
        all.extend(is_roomy.then(String::new));
        all.extend(whole);
        return all;
    }
    let end = format!("{} More to try is above: scroll up.", help.end);
    let mut left = room.saturating_sub(size.rows(&end));
    for line in &whole[..whole.len() - 1] {
        let rows = size.rows(line);
        if rows > left {
            break;
        }
        left -= rows;
        lines.push(line.clone());
    }
    if room > 0 {
        lines.push(end);
    }
    lines
}

/// Lines that move what is on the terminal up, where it can be scrolled back to.
pub(super) fn make_room(size: Size) -> String {
    "\n".repeat(size.height)
}

/// Over what is there: from the top, each line up to its end, nothing below the last. No clearing first, which would flicker, and no
/// newline at the end, which would scroll.
pub(super) fn paint(lines: &[String], size: Size) -> String {
    let mut text = String::from("\x1b[H");
    for (index, line) in lines.iter().enumerate() {
        // After a line that ends at the edge, clearing would take its last character.
        let is_full = !line.is_empty() && line.chars().count().is_multiple_of(size.width);
        let clear = match (is_full, index + 1 == lines.len()) {
            (true, _) => "",
            (false, false) => "\x1b[K",
            (false, true) => "\x1b[J",
        };
        let _ = write!(text, "{}{line}{clear}", if index == 0 { "" } else { "\r\n" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize, text: &str) -> Vec<String> {
        vec![text.to_owned(); count]
    }

    fn help() -> Help {
        Help { legend: lines(1, "legend"), setup: lines(2, "setup"), commands: lines(4, "command"), end: "Ctrl-C.".to_owned() }
    }

    #[test]
    fn the_table_comes_first_and_help_and_story_as_far_as_there_is_room() {
        let (told, table) = (lines(3, "told"), lines(5, "table"));
        for (height, rows, what) in [
            (40, 19, "told"),
            (19, 19, "told"),
            (18, 15, "table"),
            (14, 14, "table"),
            (13, 13, "table"),
            (6, 6, "table"),
            (5, 5, "table"),
        ] {
            let composed = compose(&told, &table, &help(), Size { width: 80, height });
            assert_eq!((composed.len(), composed[0].as_str()), (rows, what), "{height}: {composed:#?}");
            let has_all = composed.iter().filter(|line| line.trim() == "command").count() == 4;
            assert_eq!(composed.last().is_some_and(|line| line.contains("scroll up")), !has_all && height > 5, "{composed:#?}");
        }
    }

    #[test]
    fn a_long_line_takes_the_rows_it_wraps_to() {
        let mut help = help();
        help.setup[0] = "x".repeat(25);
        let size = Size { width: 10, height: 12 };
        let composed = compose(&[], &lines(5, "table"), &help, size);
        assert!(size.rows_of(&composed) <= 12, "{composed:#?}");
    }

    #[test]
    fn nothing_is_cleared_before_it_is_painted_and_nothing_scrolls() {
        let size = Size { width: 4, height: 2 };
        assert_eq!(paint(&lines(2, "x"), size), "\x1b[Hx\x1b[K\r\nx\x1b[J");
        assert_eq!(paint(&lines(1, "full"), size), "\x1b[Hfull");
    }
}
