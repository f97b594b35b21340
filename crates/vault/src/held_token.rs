//! A service account's token that somebody else lends us, to log in as him.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

/// A token in memory, replaced by its owner before it expires. Clones share it. Nothing prints it, and the bytes are wiped when they are replaced.
#[derive(Clone, Default)]
pub struct HeldToken(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    text: Zeroizing<String>,
    /// How often it was replaced: what was refused before may be granted now.
    replaced: u64,
}

impl HeldToken {
    /// Holds this one from now on.
    pub fn replace(&self, text: &str) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if *state.text != *text {
            state.text = Zeroizing::new(text.to_owned());
            state.replaced += 1;
        }
    }

    pub(crate) fn text(&self) -> Zeroizing<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    pub(crate) fn replaced(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).replaced
    }
}

impl PartialEq for HeldToken {
    /// Whether it is the same owner's.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for HeldToken {}

impl fmt::Debug for HeldToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldToken")
    }
}
