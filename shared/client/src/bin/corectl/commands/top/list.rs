//! A list with a name: columns that line up, and as many rows as there is space for.

use ratatui::{
    Frame,
    layout::{Constraint, HorizontalAlignment, Layout, Rect},
    style::{Style, Stylize as _},
    text::{Line, Span},
    widgets::{Paragraph, Row, Table},
};

/// A column: its name, its width, and where its cells stand.
pub(super) type Column = (&'static str, Constraint, HorizontalAlignment);

/// A list: its columns and its rows.
pub(super) struct List<const N: usize> {
    pub(super) columns: [Column; N],
    pub(super) rows: Vec<[Span<'static>; N]>,
}

/// Draws as much of a list as fits, and says so where that is not all.
pub(super) fn draw_list<const N: usize>(
    name: &str,
    list: &List<N>,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let [_, title, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)])
            .areas(area);
    let (count, fit) = (list.rows.len(), usize::from(body.height.saturating_sub(1)));
    let title_text = match count {
        0 => format!("{name}: none"),
        _ if count > fit => format!("{name}: {fit} of {count}"),
        _ => name.to_owned(),
    };
    frame.render_widget(Paragraph::new(title_text.bold()), title);
    if count == 0 {
        return;
    }
    let sides = list.columns.map(|(_, _, side)| side);
    let row = |cells: [Span<'static>; N]| {
        Row::new(cells.into_iter().zip(sides).map(|(cell, side)| Line::from(cell).alignment(side)))
    };
    let heading = row(list.columns.map(|(name, _, _)| Span::raw(name))).style(Style::new().bold());
    // Rows that are not seen are not laid out.
    let rows = list.rows.iter().take(fit).cloned().map(row);
    let table = Table::new(rows, list.columns.map(|(_, width, _)| width)).header(heading);
    frame.render_widget(table.column_spacing(2), body);
}
