//! Whether a file that holds a credential is kept from others. Pure: mode and owner come in.

use thiserror::Error;

/// Others may read, write or run it.
const OTHERS: u32 = 0o007;
/// Root reads everything anyway, and owns what Kubernetes mounts.
const ROOT: u32 = 0;

/// Who else has what is in a file. Reads on after the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exposure {
    /// Everybody may read it, or change it.
    #[error("can be read by everybody (mode {0:o}): run chmod 600 on it, and replace what is in it if somebody may have read it")]
    Everybody(u32),
    /// Its owner is somebody else, who may read and replace it.
    #[error(
        "belongs to user {0}, who is neither root nor the user this runs as: give it to that one with chown, and run chmod 600 on it"
    )]
    Owner(u32),
}

/// Judges a file by its mode and owner; `us` is the user that reads it. Its group may read it: that is how Kubernetes gives a Secret to a
/// container that is not root.
pub const fn judge(mode: u32, owner: u32, us: u32) -> Result<(), Exposure> {
    if mode & OTHERS != 0 {
        return Err(Exposure::Everybody(mode & 0o777));
    }
    if owner != ROOT && owner != us {
        return Err(Exposure::Owner(owner));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_from_others_if_only_its_owner_and_group_reach_it_and_the_owner_is_root_or_who_reads_it() {
        for (mode, owner, us, want) in [
            (0o100_600, 7, 7, Ok(())),
            (0o400, 0, 7, Ok(())),
            (0o440, 0, 7, Ok(())),
            (0o640, 7, 7, Ok(())),
            (0o100_644, 7, 7, Err(Exposure::Everybody(0o644))),
            (0o604, 0, 0, Err(Exposure::Everybody(0o604))),
            (0o602, 7, 7, Err(Exposure::Everybody(0o602))),
            (0o600, 8, 7, Err(Exposure::Owner(8))),
            (0o600, 8, 0, Err(Exposure::Owner(8))),
        ] {
            assert_eq!(judge(mode, owner, us), want, "{mode:o} of {owner}, read by {us}");
        }
    }

    #[test]
    fn it_says_what_to_do() {
        assert!(Exposure::Everybody(0o644).to_string().contains("mode 644): run chmod 600"));
        assert!(Exposure::Owner(8).to_string().contains("user 8"));
    }
}
