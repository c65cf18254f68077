//! Columns without borders that keep to the width they are given.
//!
//! With a width: the least important columns go until the rest can be read, then what is left is
//! shortened or wrapped. Without one (a pipe): everything, each row on its line.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::escape::escape;
use super::tone::{END, Tone, paint};

/// What a table has to keep to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    /// The width in columns; `None` when nobody wraps (a pipe or file).
    pub width: Option<u16>,
    /// Whether colour may be used.
    pub color: bool,
}

/// The longest text of a cell, in bytes: laying one out takes time in proportion to its square.
const TEXT_MAX: usize = 16 * 1024;

/// Text for a table: escaped, and toned where asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    text: String,
    tone: Option<Tone>,
}

impl Text {
    /// Text of any origin and length; JSON has all of one that is too long to be read.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        let mut text = escape(text.as_ref()).into_owned();
        if text.len() > TEXT_MAX {
            text.truncate(text.floor_char_boundary(TEXT_MAX));
            text.push('…');
        }
        Self { text, tone: None }
    }

    /// What there may be none of.
    pub(super) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map(Self::new).unwrap_or_default()
    }

    /// Gives it a tone.
    pub(super) fn tone(mut self, tone: Tone) -> Self {
        self.tone = Some(tone);
        self
    }

    fn marked(&self, text: &str, color: bool) -> String {
        match self.tone {
            Some(tone) if color => format!("{}{text}{END}", tone.marker()),
            _ => text.to_owned(),
        }
    }
}

/// What a column does when there is too little room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It keeps its width.
    Keep,
    /// It loses its middle, down to this width.
    Shorten(u16),
    /// It goes on in further lines, down to this width.
    Wrap(u16),
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    fit: Fit,
    /// 0 is never dropped; of the others the highest goes first.
    rank: u8,
    right: bool,
}

impl Column {
    /// A column that keeps its width and is never dropped.
    pub(super) const fn new(title: &'static str) -> Self {
        Self {
            title,
            fit: Fit::Keep,
            rank: 0,
            right: false,
        }
    }

    /// It can be narrower.
    pub(super) const fn fit(mut self, fit: Fit) -> Self {
        self.fit = fit;
        self
    }

    /// It can be dropped; the highest rank goes first.
    pub(super) const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    /// It holds numbers.
    pub(super) const fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

/// The space between two columns.
const GAP: u16 = 2;

/// A table in the making.
pub(super) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Text>>,
    header: bool,
}

impl Grid {
    /// A table with a header.
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            header: true,
        }
    }

    /// A table without one, whose empty cells stay empty.
    pub(super) fn bare(columns: impl IntoIterator<Item = Column>) -> Self {
        let mut grid = Self::new(columns);
        grid.header = false;
        grid
    }

    /// Adds a row, with a text for each column.
    pub(super) fn row(&mut self, row: impl IntoIterator<Item = Text>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The lines; nothing for a table without rows. Columns with nothing in them are left out,
    /// but not in a pipe: what counts columns there can rely on them.
    pub(super) fn render(mut self, layout: &Layout) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        if layout.width.is_some() {
            self.keep_columns(|grid, at| {
                let mut cells = grid.rows.iter().filter_map(|row| row.get(at));
                cells.any(|cell| !cell.text.is_empty())
            });
        }
        let natural = self.natural_widths();
        let widths = match layout.width {
            Some(width) => self.fit_into(natural, width),
            None => natural,
        };
        paint(&self.lay_out(&widths, layout))
    }

    fn keep_columns(&mut self, keep: impl Fn(&Self, usize) -> bool) {
        let kept: Vec<bool> = (0..self.columns.len()).map(|at| keep(self, at)).collect();
        let mut keeps = kept.iter();
        self.columns.retain(|_| *keeps.next().unwrap_or(&true));
        for row in &mut self.rows {
            let mut keeps = kept.iter();
            row.retain(|_| *keeps.next().unwrap_or(&true));
        }
    }

    fn natural_widths(&self) -> Vec<u16> {
        let width = |text: &str| u16::try_from(width_of(text)).unwrap_or(u16::MAX);
        let columns = self.columns.iter().enumerate();
        let widths = columns.map(|(at, column)| {
            let title = if self.header { width(column.title) } else { 0 };
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| width(&cell.text)).fold(title, u16::max)
        });
        widths.collect()
    }

    /// Drops columns until the narrowest widths of the rest fit, then takes from the widest ones
    /// what is too much.
    fn fit_into(&mut self, mut widths: Vec<u16>, available: u16) -> Vec<u16> {
        while self.narrowest(&widths) > u32::from(available) {
            let last = (0..self.columns.len())
                .filter(|at| self.columns[*at].rank > 0)
                .max_by_key(|at| self.columns[*at].rank);
            let Some(last) = last else { break };
            self.keep_columns(|_, at| at != last);
            widths.remove(last);
        }
        loop {
            let total = total(widths.iter().copied());
            let excess = total.saturating_sub(available.into());
            let widest = (0..widths.len())
                .filter(|at| widths[*at] > self.least(*at, widths[*at]))
                .max_by_key(|at| widths[*at]);
            match widest {
                Some(at) if excess > 0 => widths[at] -= 1,
                _ => return widths,
            }
        }
    }

    fn narrowest(&self, widths: &[u16]) -> u32 {
        total((0..widths.len()).map(|at| self.least(at, widths[at])))
    }

    /// How narrow a column may get that would like to have `width`.
    fn least(&self, at: usize, width: u16) -> u16 {
        match self.columns[at].fit {
            Fit::Keep => width,
            Fit::Shorten(least) | Fit::Wrap(least) => width.min(least),
        }
    }

    fn lay_out(&self, widths: &[u16], layout: &Layout) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .force_no_tty()
            .set_content_arrangement(match layout.width {
                Some(_) => ContentArrangement::Dynamic,
                None => ContentArrangement::Disabled,
            });
        if self.header {
            let titles = self.columns.iter().map(|column| {
                let title = Text::new(column.title).tone(Tone::Bold);
                title.marked(column.title, layout.color)
            });
            table.set_header(titles);
        }
        for row in &self.rows {
            table.add_row(row.iter().enumerate().map(|(at, cell)| {
                let text = match self.columns[at].fit {
                    _ if cell.text.is_empty() && self.header => "-".to_owned(),
                    Fit::Shorten(_) => shortened(&cell.text, widths[at]),
                    _ => cell.text.clone(),
                };
                cell.marked(&text, layout.color)
            }));
        }
        for (at, column) in table.column_iter_mut().enumerate() {
            let last = at + 1 == widths.len();
            let gap = if last { 0 } else { GAP };
            column.set_padding((0, gap));
            if layout.width.is_some() {
                let width = widths[at].saturating_add(gap);
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            }
            if self.columns[at].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt() + "\n"
    }
}

fn total(widths: impl Iterator<Item = u16>) -> u32 {
    let (mut sum, mut count) = (0, 0);
    for width in widths {
        sum += u32::from(width);
        count += 1;
    }
    sum + u32::from(GAP) * u32::saturating_sub(count, 1)
}

/// The width of a text in columns of a terminal.
pub(super) fn width_of(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let mut table = Table::new();
    table.add_row([text]);
    table
        .column_max_content_widths()
        .first()
        .copied()
        .unwrap_or(0)
        .into()
}

/// A text without its middle, if it is wider than `width`: of paths and branches the end says
/// more than the beginning.
pub(super) fn shortened(text: &str, width: u16) -> String {
    let width = usize::from(width);
    if width_of(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head_room = room / 3;
    let mut head = String::new();
    let mut used = 0;
    for c in text.chars() {
        let more = width_of(c.encode_utf8(&mut [0; 4]));
        if used + more > head_room {
            break;
        }
        used += more;
        head.push(c);
    }
    let mut tail = Vec::new();
    for c in text.chars().rev() {
        let more = width_of(c.encode_utf8(&mut [0; 4]));
        if used + more > room {
            break;
        }
        used += more;
        tail.push(c);
    }
    tail.reverse();
    head.push('…');
    head.extend(tail);
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markers_have_no_width() {
        for tone in Tone::ALL {
            assert_eq!(width_of(&format!("{}ä{END}", tone.marker())), 1);
        }
    }

    #[test]
    fn shortening_keeps_more_of_the_end() {
        assert_eq!(shortened("main", 4), "main");
        assert_eq!(shortened("feature/one/long-name", 12), "fea…ong-name");
        assert_eq!(shortened("日本語日本語", 7), "日…本語");
        assert_eq!(shortened("abc", 1), "…");
    }

    fn grid(rows: &[[String; 3]]) -> Grid {
        let mut grid = Grid::new([
            Column::new("A").fit(Fit::Shorten(6)).rank(1),
            Column::new("B").right().rank(2),
            Column::new("C").fit(Fit::Wrap(8)),
        ]);
        for row in rows {
            grid.row(row.iter().map(|text| Text::new(text).tone(Tone::Red)));
        }
        grid
    }

    proptest! {
        #[test]
        fn any_text_keeps_to_any_width(
            rows in proptest::collection::vec(any::<[String; 3]>(), 1..4),
            width in 10u16..120,
        ) {
            let plain = Layout { width: Some(width), color: false };
            let text = grid(&rows).render(&plain);
            for line in text.lines() {
                prop_assert!(width_of(line) <= usize::from(width), "{line:?}");
            }
            let colored = grid(&rows).render(&Layout { color: true, ..plain });
            let stripped = ["\x1b[31m", "\x1b[1m", "\x1b[0m"]
                .iter()
                .fold(colored, |text, code| text.replace(code, ""));
            // White space next to a code is text for the layout, and not trimmed.
            let words = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(words(&stripped), words(&text));
            let piped = grid(&rows).render(&Layout::default());
            prop_assert_eq!(piped.lines().count(), rows.len() + 1);
        }
    }
}
