//! Names of a volume's files: what the driver takes, each once.

use std::collections::BTreeMap;

/// Linux' own.
const NAME_MAX_BYTES: usize = 255;
/// Enough for any layout; it is in the pod's status too.
const PATH_MAX_BYTES: usize = 1024;

/// Those of one volume, each with the object it is of.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// Adds one, or says why it cannot be: no path below the volume, or taken.
    pub(super) fn add(&mut self, path: &str, of: &str) -> Result<(), String> {
        check(path).map_err(|why| format!("{of}: {path:?} cannot be a file of the volume: {why}"))?;
        let taken = |other: &str, of_other: &str| {
            Err(format!(
                "{of_other} and {of} cannot both be there: files {other:?} and {path:?} are in each other's way; give one another objectName"
            ))
        };
        if let Some(of_other) = self.0.get(path) {
            return Err(format!("{of_other} and {of} would both be file {path:?}: give one of them another objectName"));
        }
        // A file is no folder.
        for (at, _) in path.match_indices('/') {
            if let Some(of_other) = self.0.get(&path[..at]) {
                return taken(&path[..at], of_other);
            }
        }
        let below = format!("{path}/");
        if let Some((other, of_other)) = self.0.range(below.clone()..).next().filter(|(other, _)| other.starts_with(&below)) {
            return taken(other, of_other);
        }
        self.0.insert(path.to_owned(), of.to_owned());
        Ok(())
    }
}

/// As the driver's own check, before anything is asked for.
fn check(path: &str) -> Result<(), &'static str> {
    if path.starts_with('/') {
        return Err("it begins at the root; write it relative to the volume");
    }
    if path.len() > PATH_MAX_BYTES {
        return Err("it is too long");
    }
    if path.contains('\0') {
        return Err("it has a null byte");
    }
    for name in path.split('/') {
        match name {
            "" => return Err("a name in it is empty"),
            "." | ".." => return Err("it leads elsewhere with . or .."),
            _ if name.len() > NAME_MAX_BYTES => return Err("a name in it is longer than 255 bytes"),
            _ => {}
        }
    }
    // The driver's own, for the versions of a volume.
    if path.starts_with("..") { Err("the driver keeps names that begin with .. for itself") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_below_its_volume() {
        for good in ["a", "a/b", ".a", "a..b", "a/..b", "tls.crt", "ä b"] {
            Names::default().add(good, "object").unwrap();
        }
        let long = ["x".repeat(256), format!("{}x", "x/".repeat(600))];
        for bad in ["", "/", "/a", "..", ".", "a/..", "../a", "a/../../b", "a//b", "a/", "./a", "..a", "a\0b", &long[0], &long[1]]
        {
            assert!(Names::default().add(bad, "object").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn two_files_of_one_name_are_told_with_both_objects() {
        for (first, second) in [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c"), ("a/b/c", "a")] {
            let mut names = Names::default();
            names.add("other", "zeroth").unwrap();
            names.add(first, "object one").unwrap();
            let error = names.add(second, "object two").expect_err(second);
            assert!(error.contains("object one and object two"), "{error}");
        }
        let mut names = Names::default();
        for free in ["a/b", "a/c", "ab", "a-b", "a.b"] {
            names.add(free, "object").unwrap();
        }
    }
}
