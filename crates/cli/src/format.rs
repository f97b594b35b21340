//! Data as JSON and YAML.

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

/// `-o` of commands that list things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ListFormat {
    /// The usual columns.
    #[default]
    Table,
    /// All columns.
    Wide,
    /// As the API gives it.
    Json,
    /// As the API gives it.
    Yaml,
    /// `kind/name`, for scripts.
    Name,
}

/// `-o` of commands that answer with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs.
    Yaml,
}

impl Format {
    /// `data` for programs, or what `table` writes for people.
    pub(crate) fn render(self, data: &impl Serialize, table: impl FnOnce() -> String) -> anyhow::Result<String> {
        match self {
            Self::Table => Ok(table()),
            Self::Json => json(data),
            Self::Yaml => yaml(data),
        }
    }
}

/// Indented JSON with a newline at its end.
pub(crate) fn json(data: &impl Serialize) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(data).context("writing the answer as JSON")?;
    text.push('\n');
    Ok(text)
}

/// YAML with a newline at its end.
pub(crate) fn yaml(data: &impl Serialize) -> anyhow::Result<String> {
    serde_saphyr::to_string(data).context("writing the answer as YAML")
}
