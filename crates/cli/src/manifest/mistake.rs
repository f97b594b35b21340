//! Mistakes in manifests, with their places.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// The file's name as given.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: u64,
    /// Such as `spec.items[0].path`; empty for the document as a whole.
    pub(crate) field: String,
    /// What is wrong and what would be right.
    pub(crate) reason: String,
}

/// As compilers and `grep -n` write places, so that editors can jump to them.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.reason)
    }
}

/// All mistakes of all files: a line for each, in order of place, and the number of them.
#[derive(Debug)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// `None` if there are none.
    pub(super) fn new(mistakes: Vec<Mistake>) -> Option<Self> {
        if mistakes.is_empty() { None } else { Some(Self(mistakes)) }
    }

    /// Of a manifest that is in no file: fields and reasons, in one line.
    pub(super) fn without_places(&self) -> String {
        self.0.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.reason)).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the manifests, nothing was sent:", if count == 1 { "mistake" } else { "mistakes" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n{mistake}"))
    }
}

impl std::error::Error for Mistakes {}
