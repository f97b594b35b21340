//! One scan, over all its pages.

use std::collections::BTreeMap;

use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::version::{Began, Seen};
use lockstep_vault::{Concern, VaultError};

use super::{Look, SweepError, Sweeper, now};
use crate::watch::sweep::doubts::Fault;

/// What a scan has shown so far.
pub(super) struct Pages {
    mount: KvMount,
    prefix: String,
    /// When the first page was asked for: nothing is newer than that for certain.
    began: Option<Began>,
    seen: BTreeMap<KvPath, Seen>,
    /// The last entry so far.
    after: Option<String>,
}

impl Sweeper {
    /// Scans below `prefix`; `None`: this scan fails, and requests for single paths may not. What is then known of scans is kept.
    pub(super) async fn scan(
        &mut self,
        look: &Look<'_>,
        mount: &KvMount,
        prefix: &str,
        page: usize,
    ) -> Result<Option<(Began, BTreeMap<KvPath, Seen>)>, SweepError> {
        let support = self.scans.get(mount).copied().unwrap_or_default();
        match self.pages(look, mount, prefix, page).await {
            Ok((began, seen)) => {
                self.doubts.answered(None);
                self.scans.insert(mount.clone(), support.after(Ok(seen.len()), now()));
                Ok(Some((began, seen)))
            }
            Err(SweepError::Vault(error)) => {
                self.scans.insert(mount.clone(), support.after(Err(&error), now()));
                if self.gives_up_after_scan(&error) {
                    return Err(error.into());
                }
                tracing::info!(source = %self.name, %mount, %error, "the mount cannot be scanned; each secret is looked at by itself");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn gives_up_after_scan(&mut self, error: &VaultError) -> bool {
        match error.concern() {
            Concern::Request => {
                self.doubts.answered(None);
                false
            }
            Concern::Either => self.doubts.unanswered(None) == Fault::Source,
            Concern::Vault => true,
        }
    }

    /// All pages. Those that were there when the lease ended are kept: a tree with more than one term of the lease has requests for is
    /// not begun with anew in each.
    async fn pages(
        &mut self,
        look: &Look<'_>,
        mount: &KvMount,
        prefix: &str,
        page: usize,
    ) -> Result<(Began, BTreeMap<KvPath, Seen>), SweepError> {
        let kept = self.scanned.take().filter(|kept| kept.mount == *mount && kept.prefix == prefix);
        let mut pages = kept.unwrap_or_else(|| Pages {
            mount: mount.clone(),
            prefix: prefix.to_owned(),
            began: None,
            seen: BTreeMap::new(),
            after: None,
        });
        loop {
            let began = match self.begin(look).await {
                Ok(began) => *pages.began.get_or_insert(began),
                Err(error) => {
                    self.scanned = Some(pages);
                    return Err(error);
                }
            };
            let answer = look.vault.scan(mount, prefix, pages.after.as_deref(), page).await.inspect_err(|e| self.heed(e))?;
            pages.seen.extend(answer.entries);
            pages.after = answer.last;
            if pages.after.is_none() {
                return Ok((began, pages.seen));
            }
        }
    }
}
