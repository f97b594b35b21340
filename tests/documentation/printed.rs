//! Whether what a command printed is what a document shows.

/// Whether it is, by lines. `…` stands for anything in a line, and as a line for any lines; spaces are as many as there are.
pub(crate) fn is(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| text.lines().map(spaced).collect::<Vec<_>>();
    are_lines(&lines(shown.trim()), &lines(printed.trim()))
}

/// Columns are as wide as what stands in them, which differs from run to run.
fn spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn are_lines(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "…" => (0..=printed.len()).any(|skipped| are_lines(rest, &printed[skipped..])),
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, others)| is_line(first, line) && are_lines(rest, others))
        }
    }
}

fn is_line(shown: &str, printed: &str) -> bool {
    match shown.split_once('…') {
        None => shown == printed,
        Some((before, after)) => printed
            .strip_prefix(before)
            .is_some_and(|rest| rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| is_line(after, &rest[at..]))),
    }
}

#[test]
fn an_ellipsis_stands_for_what_differs_and_nothing_else_may() {
    for (shown, printed, expected) in [
        ("NAME  READY", "NAME      READY\n", true),
        ("a\n…\nz", "a\nb\nc\nz", true),
        ("a\n…\nz", "a\nz", true),
        ("a\n…\nz", "a\nb", false),
        ("token …, ends in 1h", "token lsat_x y, ends in 1h", true),
        ("token …, ends in 1h", "token lsat_x y, ends in 2h", false),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
    ] {
        assert_eq!(is(shown, printed), expected, "{shown:?} and {printed:?}");
    }
}
