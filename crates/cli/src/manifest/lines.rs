//! From the path of a field, such as `spec.items[0].path`, to the line it is in.

use std::collections::HashMap;

/// The lines of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Lines of the file before the text that was parsed.
    before: u64,
    /// Where the document begins.
    first: u64,
    of: HashMap<String, u64>,
}

impl Lines {
    /// Of a document whose text begins after `before` lines, and whose first node is in line `first` of that text.
    pub(super) fn new(before: u64, first: u64) -> Self {
        Self { before, first: before + first, of: HashMap::new() }
    }

    pub(super) fn note(&mut self, field: &str, line: u64) {
        self.of.insert(field.to_owned(), self.before + line);
    }

    /// The line of `field`, or of the nearest field around it: one that is missing is looked for where it should be.
    pub(crate) fn of(&self, field: &str) -> u64 {
        let mut field = field;
        loop {
            if let Some(line) = self.of.get(field) {
                return *line;
            }
            match field.rfind(['.', '[']) {
                Some(end) => field = &field[..end],
                None => return self.first,
            }
        }
    }
}
