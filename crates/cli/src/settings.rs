//! The servers this person has logged in to.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

/// What the configuration file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// The context used where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current_context: Option<String>,
    /// In the order they were added.
    #[serde(default)]
    pub(crate) contexts: Vec<Context>,
}

/// A server and who one is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Context {
    /// What it is called.
    pub(crate) name: String,
    /// `https://host:port`.
    pub(crate) server: String,
    /// A PEM file, absolute, so that it is found from any directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Sent to this server and no other.
    pub(crate) token: Token,
}

/// A token, which nothing prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(String);

impl Token {
    /// The token in `text`, without the white space around it.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        let token = text.trim();
        // Anything else could not be a header's value, and reqwest's error would not say why.
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(anyhow!("the token is empty or is not one line of printable characters"));
        }
        Ok(Self(token.to_owned()))
    }

    /// For the `Authorization` header.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Settings {
    /// Reads `file`; a file that does not exist is empty.
    pub(crate) fn load(file: &Path) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.with_context(|| format!("cannot read {}", file.display()))?,
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(&text).map_err(|error| {
            // Only the line: the parser's message may quote what it saw, and that may be a token.
            let line = error.location().map_or(1, |l| l.line());
            anyhow!("{}:{line} cannot be understood: mend it, or remove the file and log in again", file.display())
        })
    }

    /// Replaces `file` as a whole, readable by its owner only.
    pub(crate) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = serde_saphyr::to_string(self).context("writing the configuration as YAML")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // `tempfile` creates with mode 0600; the rename makes it one step for whoever reads meanwhile.
        let write = || -> std::io::Result<()> {
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(text.as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(file)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }

    /// The context called `name`.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<&Context> {
        self.contexts.iter().find(|c| c.name == name).ok_or_else(|| {
            let names: Vec<_> = self.contexts.iter().map(|c| c.name.as_str()).collect();
            match names.as_slice() {
                [] => anyhow!(
                    "there is no context {name:?}: log in with `lockstep login --context {name} --server https://host:8443`"
                ),
                names => anyhow!("there is no context {name:?}: there is {}", names.join(", ")),
            }
        })
    }

    /// Adds a context, or replaces the one with its name, and makes it the current one.
    pub(crate) fn put(&mut self, context: Context) {
        self.current_context = Some(context.name.clone());
        match self.contexts.iter_mut().find(|c| c.name == context.name) {
            Some(known) => *known = context,
            None => self.contexts.push(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn context(name: &str) -> Context {
        Context {
            name: name.to_owned(),
            server: "https://s:8443".to_owned(),
            certificate_authority: Some("/etc/ca.pem".into()),
            token: Token::read("t0ken\n").unwrap(),
        }
    }

    #[test]
    fn what_is_saved_is_read_back_and_only_the_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.yaml");
        let mut settings = Settings::default();
        settings.put(context("a"));
        settings.put(context("b"));
        settings.save(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Settings::load(&file).unwrap();
        assert_eq!((read.current_context.as_deref(), read.contexts), (Some("b"), vec![context("a"), context("b")]));
    }

    #[test]
    fn no_error_and_no_debug_output_shows_a_token() {
        assert!(!format!("{:?}", context("a")).contains("t0ken"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "contexts:\n  - {name: a, server: s, token: [t0ken]}\n").unwrap();
        let message = format!("{:#}", Settings::load(file.path()).unwrap_err());
        assert!(message.contains(":2 cannot be understood") && !message.contains("t0ken"), "{message}");
    }

    #[test]
    fn a_token_is_one_printable_line() {
        assert!(Token::read(" abc \n").is_ok());
        for bad in ["", "\n", "a b", "a\nb", "ü"] {
            assert!(Token::read(bad).is_err(), "{bad:?}");
        }
    }
}
