//! Pages of lists, by key: a list stays right while it is read, and costs the same on every page.

use lockstep_core::access::Reach;
use lockstep_core::selector::Selector;

/// The most items one page may have.
pub const PAGE_MAX: usize = 1_000;
/// Items on a page where the caller does not say.
pub const PAGE_DEFAULT: usize = 500;

/// Which page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Only keys after this one.
    pub after: Option<String>,
    /// At most this many, up to [`PAGE_MAX`].
    pub limit: usize,
    /// Only what these labels select.
    pub selector: Selector,
    /// Only what the caller may see.
    pub reach: Reach,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, limit: PAGE_DEFAULT, selector: Selector::default(), reach: Reach::EVERYTHING }
    }
}

impl Page {
    /// How many items the page has at most. Never none: such a page would say that the list ends here.
    pub(crate) fn size(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX)
    }

    /// How many rows to ask for: one more than the page has, to see whether there is another.
    pub(crate) fn rows(&self) -> i64 {
        i64::try_from(self.size()).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The key to begin after; the empty text is before every name.
    pub(crate) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// The parts of a key of several names, which hold no `/`; missing ones are before every name.
pub(crate) fn parts<const N: usize>(key: &str) -> [&str; N] {
    let mut parts = key.split('/');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Cuts `items`, which were asked for with one more than the limit, and says where the next page begins.
pub(crate) fn cut<T>(mut items: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    (items, next)
}
