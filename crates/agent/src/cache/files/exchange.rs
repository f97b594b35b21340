//! Keys are exchanged: what an older key sealed is sealed anew with the first, so that the older one can be dropped.

use std::borrow::Cow;
use std::path::Path;

use lockstep_core::id::BindingId;

use super::{CONFIRMED, CacheError, Files, read, refused, sealed};
use crate::durable;

impl Files {
    /// Seals an entry anew, if another key than the first sealed it; answers whether one did.
    pub(in crate::cache) fn exchange(&self, binding: BindingId) -> Result<bool, CacheError> {
        self.exchange_at(&self.path(binding))
    }

    /// The same with when a server was last there.
    pub(in crate::cache) fn exchange_confirmed(&self) -> Result<bool, CacheError> {
        self.exchange_at(&self.dir.join(CONFIRMED))
    }

    fn exchange_at(&self, path: &Path) -> Result<bool, CacheError> {
        let Some(anew) = sealed::exchange(&self.keys(), self.cluster, &read(path)?)? else { return Ok(false) };
        // As large as the one before: the limit leaves room for both, and no entry may be lost for it.
        durable::replace(path, &anew).map_err(refused("write", path))?;
        Ok(true)
    }

    /// An entry as another replica sealed it, with this one's first key.
    pub(crate) fn with_first_key<'a>(&self, sealed: &'a [u8]) -> Result<Cow<'a, [u8]>, CacheError> {
        Ok(sealed::exchange(&self.keys(), self.cluster, sealed)?.map_or(Cow::Borrowed(sealed), Cow::Owned))
    }
}
