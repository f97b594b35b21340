//! The boards as they are checked in.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::checkout;
use serde_json::Value;

/// A board.
pub(crate) struct Board {
    pub(crate) uid: String,
    pub(crate) variables: Vec<Variable>,
    pub(crate) panels: Vec<Panel>,
    pub(crate) json: Value,
}

/// A variable with values from the registry.
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) sql: String,
    /// Whether several values may be chosen; at first all are.
    pub(crate) several: bool,
}

/// A panel.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) queries: Vec<Query>,
    pub(crate) json: Value,
}

/// What a panel asks.
pub(crate) enum Query {
    /// An expression of Prometheus'.
    Metrics(String),
    /// A query of the registry.
    Registry(String),
}

pub(crate) fn folder() -> Result<PathBuf> {
    // By what only that one has: these tests are in a folder of the same name.
    let source = checkout::find("dashboards/src")?;
    Ok(source.parent().context("a folder without a parent")?.to_owned())
}

/// The files, in order of name.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder()?)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    ensure!(files.len() >= 5, "only {files:?}");
    files.sort();
    Ok(files)
}

pub(crate) fn boards() -> Result<Vec<Board>> {
    files()?.iter().map(|file| read(&std::fs::read(file)?).with_context(|| format!("{}", file.display()))).collect()
}

fn read(text: &[u8]) -> Result<Board> {
    let json: Value = serde_json::from_slice(text)?;
    let variables = list(&json["templating"]["list"]).iter().filter(|variable| variable["type"] == "query");
    Ok(Board {
        uid: word(&json, "uid")?,
        variables: variables
            .map(|v| {
                Ok(Variable { name: word(v, "name")?, sql: word(v, "query")?, several: v["multi"].as_bool().unwrap_or_default() })
            })
            .collect::<Result<_>>()?,
        panels: list(&json["panels"]).iter().map(panel).collect::<Result<_>>()?,
        json,
    })
}

fn panel(json: &Value) -> Result<Panel> {
    let query = |target: &Value| {
        let kind = word(&target["datasource"], "type")?;
        match kind.as_str() {
            "prometheus" => Ok(Query::Metrics(word(target, "expr")?)),
            "grafana-postgresql-datasource" => Ok(Query::Registry(word(target, "rawSql")?)),
            other => anyhow::bail!("a query of {other}"),
        }
    };
    let queries = list(&json["targets"]).iter().map(query).collect::<Result<_>>()?;
    Ok(Panel { title: word(json, "title")?, queries, json: json.clone() })
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("there is no {key} in {value}"))
}
