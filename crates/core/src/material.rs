//! Material: plaintext secret bytes, wherever they are.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes. They are wiped when dropped, and neither `Debug` nor any other trait of theirs prints them.
#[derive(Clone, PartialEq, Eq)]
pub struct Material(Zeroizing<Vec<u8>>);

impl Material {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The plaintext, for the few places that must have it: rendering, digesting, sending, writing to a target.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_only() {
        assert_eq!(format!("{:?}", Material::new(b"canary".to_vec())), "Material(6 bytes)");
    }
}
