//! What was found, a line each.

use crossterm::style::Stylize as _;
use serde::Serialize;

use crate::table::cell::Cell;
use crate::terminal;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// May become a fault.
    Warn,
    /// Is one.
    Fail,
    /// Cannot be seen by this caller.
    Skip,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) check: &'static str,
    /// How it is, and what to do.
    pub(super) message: String,
}

impl Finding {
    pub(super) fn of(level: Level, check: &'static str, message: String) -> Self {
        Self { level, check, message }
    }

    pub(super) fn ok(check: &'static str, message: String) -> Self {
        Self::of(Level::Ok, check, message)
    }

    pub(super) fn warn(check: &'static str, message: String) -> Self {
        Self::of(Level::Warn, check, message)
    }

    pub(super) fn fail(check: &'static str, message: String) -> Self {
        Self::of(Level::Fail, check, message)
    }

    pub(super) fn skip(check: &'static str, message: String) -> Self {
        Self::of(Level::Skip, check, message)
    }
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }

    fn coloured(self) -> String {
        let word = format!("{:<4}", self.word());
        match self {
            Self::Ok => word.green().to_string(),
            Self::Warn => word.yellow().to_string(),
            Self::Fail => word.red().to_string(),
            Self::Skip => word,
        }
    }
}

/// Lines for people.
pub(super) fn render(findings: &[Finding], colours: bool) -> String {
    let line = |finding: &Finding| {
        let level = if colours { finding.level.coloured() } else { format!("{:<4}", finding.level.word()) };
        let Cell::Text(message) = Cell::text(&finding.message) else { return level };
        format!("{level}  {:<12}  {message}", finding.check)
    };
    terminal::lines(findings.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_that_begins_with_how_bad_it_is() {
        let findings = [Finding::ok("server", "it answers".to_owned()), Finding::fail("clusters", "eu:\nit is gone".to_owned())];
        assert_eq!(render(&findings, false), "ok    server        it answers\nfail  clusters      eu: it is gone\n");
        assert!(render(&findings[1..], true).starts_with("\u{1b}["));
    }
}
