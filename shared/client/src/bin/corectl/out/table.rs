//! Columns that line up.

use super::{clean, style::Style};

/// Spaces between two columns.
const GAP: usize = 2;

/// A table for a terminal: a heading, then rows.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One cell; its text is cleaned.
pub(crate) struct Cell {
    text: String,
    look: Look,
}

/// What a cell's colour says; its words say it too.
#[derive(Clone, Copy)]
enum Look {
    Plain,
    Number,
    Good,
    Odd,
    Bad,
}

impl Cell {
    /// A text.
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::new(text.as_ref(), Look::Plain)
    }

    /// A number, right-aligned.
    pub(crate) fn number(number: impl ToString) -> Self {
        Self::new(&number.to_string(), Look::Number)
    }

    /// Something as it should be.
    pub(crate) fn good(text: impl AsRef<str>) -> Self {
        Self::new(text.as_ref(), Look::Good)
    }

    /// Something that needs a look.
    pub(crate) fn odd(text: impl AsRef<str>) -> Self {
        Self::new(text.as_ref(), Look::Odd)
    }

    /// Something wrong.
    pub(crate) fn bad(text: impl AsRef<str>) -> Self {
        Self::new(text.as_ref(), Look::Bad)
    }

    fn new(text: &str, look: Look) -> Self {
        let text = clean::line(text);
        Self { text, look }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// The cell, padded to `width`; the padding is never coloured.
    fn show(&self, width: usize, style: Style) -> String {
        let padding = " ".repeat(width.saturating_sub(self.width()));
        let text = self.text.as_str();
        let painted = match self.look {
            Look::Number => return padding + text,
            Look::Plain => text.into(),
            Look::Good => style.good(text),
            Look::Odd => style.odd(text),
            Look::Bad => style.bad(text),
        };
        painted + &padding
    }
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has one cell for each column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// The table as lines, indented by `indent` spaces.
    pub(crate) fn show(&self, indent: usize, style: Style) -> String {
        let widths: Vec<usize> = (0..self.heading.len()).map(|c| self.width(c)).collect();
        let heading = widths.iter().enumerate();
        let heading: Vec<String> = heading.map(|(c, w)| self.title(c, *w)).collect();
        let mut lines = vec![style.heading(join(&heading).trim_end())];
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells.map(|(cell, w)| cell.show(*w, style)).collect();
            lines.push(join(&cells).trim_end().into());
        }
        let margin = " ".repeat(indent);
        lines.iter().map(|l| format!("{margin}{l}\n")).collect()
    }

    /// A column's name stands where its cells stand: to the right over numbers.
    fn title(&self, column: usize, width: usize) -> String {
        let name = self.heading[column];
        let first = self.rows.first().and_then(|row| row.get(column));
        match first.map(|cell| cell.look) {
            Some(Look::Number) => format!("{name:>width$}"),
            _ => format!("{name:<width$}"),
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(Cell::width).max().unwrap_or(0);
        widest.max(self.heading[column].len())
    }
}

fn join(cells: &[String]) -> String {
    cells.join(&" ".repeat(GAP))
}

/// A size for people: three digits and a binary unit.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A count for people: three digits and a letter.
pub(crate) fn count(count: u64) -> String {
    scaled(count, 1000, &["", "k", "M", "G", "T"])
}

fn scaled(value: u64, base: u64, units: &[&str]) -> String {
    let mut unit = 0;
    let mut divisor = 1;
    // Ends at the last unit; the divisor is then at most 1024^4.
    while value / divisor >= base && unit + 1 < units.len() {
        divisor *= base;
        unit += 1;
    }
    let number = value as f64 / divisor as f64;
    let digits = usize::from(unit > 0 && number < 100.0);
    let name = units[unit];
    format!("{number:.digits$} {name}").trim_end().into()
}
