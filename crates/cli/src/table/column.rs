//! From typed items to rows.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cell::Cell;
use super::layout::{Table, Width};

/// One column over items of type `T`.
pub(super) struct Column<T> {
    title: &'static str,
    /// Only with `-o wide`.
    wide: bool,
    cell: fn(&T) -> Cell,
}

impl<T> Column<T> {
    pub(super) const fn usual(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { title, wide: false, cell }
    }

    pub(super) const fn wide(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { title, wide: true, cell }
    }
}

/// A row for each item. Fields that a newer server adds are passed over.
pub(super) fn rows<T: DeserializeOwned>(columns: &[Column<T>], items: &[Value], width: Width) -> anyhow::Result<Table> {
    let columns: Vec<_> = columns.iter().filter(|column| !column.wide || width == Width::All).collect();
    let mut table = Table::new(columns.iter().map(|column| column.title).collect());
    for item in items {
        let item = T::deserialize(item).context("the server's answer is not what this command knows: is it a newer server?")?;
        table.rows.push(columns.iter().map(|column| (column.cell)(&item)).collect());
    }
    Ok(table)
}
