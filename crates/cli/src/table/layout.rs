//! Columns of text, side by side.

use chrono::{DateTime, Utc};
use comfy_table::{ColumnConstraint, ContentArrangement, Width as ColumnWidth, presets};

use super::cell::Cell;
use crate::terminal;

/// The space between columns, as in kubectl.
const GAP: u16 = 3;

/// Which columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Usual,
    All,
}

/// Titles and rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) titles: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// What a table looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Ages count from here.
    pub(crate) now: DateTime<Utc>,
    pub(crate) colours: bool,
}

impl Style {
    /// For standard output, now.
    pub(crate) fn of_stdout() -> Self {
        Self { now: crate::clock::now(), colours: terminal::has_colours() }
    }
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(titles: Vec<&'static str>) -> Self {
        Self { titles, rows: Vec::new() }
    }

    /// The table with its titles; every line ends with a newline.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut table = self.draw(&self.rows, style);
        table.set_header(self.titles.clone());
        finish(&table)
    }

    /// Only `rows`, in columns as wide as this table's.
    pub(crate) fn render_rows(&self, rows: &[Vec<Cell>], style: Style) -> String {
        let mut whole = self.draw(&self.rows, style);
        whole.set_header(self.titles.clone());
        let widths = whole.column_max_content_widths();
        let mut table = self.draw(rows, style);
        let at_least = |width| ColumnConstraint::LowerBoundary(ColumnWidth::Fixed(width + GAP));
        table.set_constraints(widths.into_iter().map(at_least));
        finish(&table)
    }

    fn draw(&self, rows: &[Vec<Cell>], style: Style) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if style.colours {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        for row in rows {
            table.add_row(row.iter().map(|cell| drawn(cell, style)));
        }
        for (_, column) in (0..self.titles.len()).zip(table.column_iter_mut()) {
            column.set_padding((0, GAP));
        }
        table
    }
}

fn drawn(cell: &Cell, style: Style) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(cell.render(style.now));
    match cell.colour() {
        Some(colour) if style.colours => drawn.fg(colour),
        _ => drawn,
    }
}

fn finish(table: &comfy_table::Table) -> String {
    terminal::lines(table.lines().map(|line| line.trim_end().to_owned()))
}
