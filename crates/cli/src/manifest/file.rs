//! The files that `-f` names.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

/// Far above any sensible set of manifests; a wrong path should not fill the memory.
const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
const STDIN: &str = "-";

/// `-f` and `-R`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FileArgs {
    /// File, directory (*.yaml, *.yml, *.json) or - for standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// Also the directories in directories
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

/// Paths without `-f` before them: taken so that it can be said what is missing.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct UnnamedArgs {
    #[arg(hide = true)]
    unnamed: Vec<PathBuf>,
}

impl UnnamedArgs {
    /// Refuses them, with what was probably meant.
    pub(crate) fn refuse(&self, command: &str) -> anyhow::Result<()> {
        let Some(path) = self.unnamed.first() else { return Ok(()) };
        let meant: Vec<String> = self.unnamed.iter().map(|path| format!("-f {}", path.display())).collect();
        bail!("{} needs -f before it: `lockstep {command} {}`", path.display(), meant.join(" "));
    }
}

/// Whether a word looks like a manifest's file and not like a kind or a name.
pub(crate) fn is_file_name(word: &str) -> bool {
    Path::new(word).extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e))
}

/// A file's text and what it is called in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl FileArgs {
    /// Reads every file meant, each once, those of a directory in order of name.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<File>> {
        if self.filename.is_empty() {
            bail!("say which manifests with -f FILE, -f DIRECTORY or -f -");
        }
        let mut seen = BTreeSet::new();
        let mut files = Vec::new();
        for path in &self.filename {
            for path in self.files_at(path)? {
                if seen.insert(path.clone()) {
                    files.push(read(&path)?);
                }
            }
        }
        Ok(files)
    }

    fn files_at(&self, path: &Path) -> anyhow::Result<Vec<PathBuf>> {
        if path.as_os_str() == STDIN || !path.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let mut found = Vec::new();
        self.search(path, &mut found)?;
        if found.is_empty() {
            let deeper = if self.recursive { "" } else { "; -R also looks in the directories in it" };
            bail!("{} holds no *.yaml, *.yml or *.json{deeper}", path.display());
        }
        Ok(found)
    }

    /// Does not follow symbolic links to directories, which may form a circle.
    fn search(&self, folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
        let context = || format!("cannot list {}", folder.display());
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).with_context(context)?;
        let mut entries: Vec<_> = entries.into_iter().map(|entry| (entry.path(), entry.file_type())).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, file_type) in entries {
            let is_folder = file_type.with_context(context)?.is_dir();
            let is_manifest = path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e));
            if is_folder && self.recursive {
                self.search(&path, found)?;
            } else if is_manifest && path.is_file() {
                found.push(path);
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let name = if path.as_os_str() == STDIN { "standard input".to_owned() } else { path.display().to_string() };
    let open = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if path.as_os_str() == STDIN {
            std::io::stdin().lock().take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        } else {
            std::fs::File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    let bytes = open().with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        bail!("{name} is larger than {} MiB: split it", FILE_MAX_BYTES / 1024 / 1024);
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8 text"))?;
    Ok(File { name, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, recursive: bool) -> Vec<String> {
        let args = FileArgs { filename: vec![folder.to_owned(), folder.join("b.yml")], recursive };
        let prefix = format!("{}/", folder.display());
        args.read().unwrap().into_iter().map(|f| f.name.replace(&prefix, "")).collect()
    }

    #[test]
    fn a_directory_means_its_manifests_in_order_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("c")).unwrap();
        for name in ["b.yml", "a.yaml", "d.json", "README.md", "c/e.yaml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(folder.path(), false), ["a.yaml", "b.yml", "d.json"]);
        assert_eq!(names(folder.path(), true), ["a.yaml", "b.yml", "c/e.yaml", "d.json"]);
    }

    #[test]
    fn a_path_that_gives_nothing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("absent.yaml")] {
            let args = FileArgs { filename: vec![path.clone()], recursive: false };
            let message = format!("{:#}", args.read().unwrap_err());
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
    }
}
