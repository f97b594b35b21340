//! One cell of a table.

use chrono::{DateTime, Utc};
use comfy_table::Color;

use crate::age;

/// What is shown where there is nothing.
pub(crate) const NOTHING: &str = "-";

/// What a cell holds.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Text(String),
    /// A status or state, coloured by what it means.
    Word(String),
    /// How long ago. It always changes, so it never counts as a change.
    Age(Option<DateTime<Utc>>),
    /// How long until.
    Until(DateTime<Utc>),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) | (Self::Word(a), Self::Word(b)) => a == b,
            (Self::Age(a), Self::Age(b)) => a.is_some() == b.is_some(),
            (Self::Until(_), Self::Until(_)) => true,
            _ => false,
        }
    }
}

impl Cell {
    /// Text from the server, which must not move a terminal's cursor: what is no character becomes a space.
    pub(crate) fn text(text: &(impl ToString + ?Sized)) -> Self {
        let text = text.to_string();
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        Self::Text(if printable.is_empty() { NOTHING.to_owned() } else { printable })
    }

    /// Text, if there is any.
    pub(crate) fn optional(text: Option<impl ToString>) -> Self {
        Self::text(&text.map(|t| t.to_string()).unwrap_or_default())
    }

    /// A status or state.
    pub(crate) fn word(word: &str) -> Self {
        match Self::text(word) {
            Self::Text(word) => Self::Word(word),
            other => other,
        }
    }

    pub(super) fn render(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Text(text) | Self::Word(text) => text.clone(),
            Self::Age(Some(then)) => age::ago(*then, now),
            Self::Age(None) => NOTHING.to_owned(),
            Self::Until(then) if *then <= now => "over".to_owned(),
            Self::Until(then) => age::ago(now, *then),
        }
    }

    pub(super) fn colour(&self) -> Option<Color> {
        let Self::Word(word) = self else { return None };
        match word.as_str() {
            "InSync" | "Done" | "Active" | "True" | "Connected" | "Live" | "Placed" | "Open" => Some(Color::Green),
            "Pending" | "Leaving" | "Running" | "Sending" | "Stale" | "Unknown" | "Removing" | "Unseen" | "Closed" => {
                Some(Color::Yellow)
            }
            "Paused" | "Frozen" => Some(Color::Blue),
            "Denied" | "Conflict" | "Failed" | "Held" | "False" | "Revoked" | "WentBack" | "Missing" => Some(Color::Red),
            _ => None,
        }
    }
}
