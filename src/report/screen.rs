//! A terminal's whole screen, drawn again and again.
//!
//! Each picture is one write: from the top, every line over the one before, then what is left of the
//! picture before is cleared. So nothing flickers, and no picture is seen half. The alternate screen
//! is used: what stood on the terminal before is there again afterwards.

use std::io;

use super::grid::width_of;
use super::output::Output;
use super::stream::Size;

/// The alternate screen, no cursor, and no line that is broken by the terminal.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const TOP: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// What is drawn on where a terminal does not say its size.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// A screen that is being drawn on; dropped, the terminal is as it was.
pub struct Screen<'a> {
    output: &'a Output,
}

impl<'a> Screen<'a> {
    /// Takes the screen of stdout's terminal.
    ///
    /// # Errors
    /// Whatever writing fails with.
    pub fn take(output: &'a Output) -> io::Result<Self> {
        let screen = Self { output };
        output.drive(ENTER)?;
        Ok(screen)
    }

    /// Draws this text, as much of it as there is room for, in the place of what is there.
    ///
    /// # Errors
    /// Whatever writing fails with.
    pub fn draw(&self, text: &str) -> io::Result<()> {
        let size = self.output.size().unwrap_or(USUAL);
        self.output.drive(&picture(text, size))
    }

    /// Gives the terminal back while `away` runs.
    ///
    /// # Errors
    /// Whatever writing fails with.
    pub fn lend(&self, away: impl FnOnce()) -> io::Result<()> {
        self.output.drive(LEAVE)?;
        away();
        self.output.drive(ENTER)
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = self.output.drive(LEAVE);
    }
}

/// The text as what makes a terminal of that size show it.
fn picture(text: &str, size: Size) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let room = usize::from(if size.rows == 0 {
        USUAL.rows
    } else {
        size.rows
    });
    let fits = lines.len() <= room;
    let shown = if fits { lines.len() } else { room - 1 };
    let mut rows: Vec<String> = lines[..shown]
        .iter()
        .map(|line| row(line, size.columns))
        .collect();
    if !fits {
        let rest = format!("… {} more", lines.len() - shown);
        rows.push(row(&rest, size.columns));
    }
    let full = rows.len() == room;
    let below = match (full, rows.is_empty()) {
        (true, _) => String::new(),
        (false, true) => CLEAR_BELOW.to_owned(),
        (false, false) => format!("\r\n{CLEAR_BELOW}"),
    };
    format!("{TOP}{}{below}", rows.join("\r\n"))
}

/// A line over the one that was there. Colours take no room. The rest of the row is cleared if there is
/// one: behind a row that is full, terminals clear its last letter.
fn row(line: &str, columns: u16) -> String {
    let columns = usize::from(columns);
    let mut out = String::with_capacity(line.len() + CLEAR_LINE.len());
    let mut used = 0;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let (end, width) = match (c, rest.find('m')) {
            ('\x1b', Some(end)) => (end + 1, 0),
            _ => (c.len_utf8(), width_of(&rest[..c.len_utf8()])),
        };
        if used + width > columns {
            // Whatever colour it was in must not go on.
            if out.contains('\x1b') {
                out.push_str("\x1b[0m");
            }
            break;
        }
        used += width;
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    if used < columns {
        out.push_str(CLEAR_LINE);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::output::Options;
    use crate::report::stream::Captured;

    fn at(columns: u16, rows: u16) -> Size {
        Size { columns, rows }
    }

    #[test]
    fn a_picture_covers_the_one_before() {
        assert_eq!(
            picture("one\ntwo\n", at(10, 4)),
            "\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\n\x1b[J"
        );
        assert_eq!(picture("", at(10, 4)), "\x1b[H\x1b[J");
        assert_eq!(
            picture("one\ntwo", at(10, 2)),
            "\x1b[Hone\x1b[K\r\ntwo\x1b[K",
            "a line end on the last row would scroll"
        );
    }

    #[test]
    fn what_has_no_room_is_counted() {
        assert_eq!(
            picture("1\n2\n3\n4\n", at(10, 3)),
            "\x1b[H1\x1b[K\r\n2\x1b[K\r\n… 2 more\x1b[K"
        );
        assert_eq!(picture("1\n2\n3\n", at(10, 1)), "\x1b[H… 3 more\x1b[K");
    }

    #[test]
    fn lines_are_cut_by_their_width_and_colours_have_none() {
        assert_eq!(row("abcdef", 4), "abcd");
        assert_eq!(row("abc", 4), "abc\x1b[K");
        assert_eq!(row("日本語", 5), "日本\x1b[K");
        let colored = "\x1b[31mabc\x1b[0m d";
        assert_eq!(row(colored, 4), "\x1b[31mabc\x1b[0m \x1b[0m");
        assert_eq!(row("\x1b[31mab\x1b[0m", 2), "\x1b[31mab\x1b[0m");
    }

    #[test]
    fn the_terminal_is_given_back() {
        let out = Captured::default();
        let sink = Box::new(io::sink());
        let output = Output::to_writers(Options::default(), Box::new(out.clone()), sink, Some(80));
        let screen = Screen::take(&output).unwrap();
        screen.draw("x").unwrap();
        screen.lend(|| output.drive("away").unwrap()).unwrap();
        drop(screen);
        let frame = "\x1b[Hx\x1b[K\r\n\x1b[J";
        assert_eq!(
            out.text(),
            format!("{ENTER}{frame}{LEAVE}away{ENTER}{LEAVE}")
        );
    }
}
