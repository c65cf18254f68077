//! stderr's terminal, as bars and lines are drawn on it again and again.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

use super::stream::{Size, Stream};

/// What is drawn on where a terminal does not say its size.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// A terminal. Between two pictures the cursor stands at the beginning of the line below: what is
/// echoed there meanwhile (`^C`) moves nothing of the picture, and a shell's prompt has a line of its
/// own if the process is killed.
pub(super) struct Canvas {
    stream: Stream,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is not written yet.
    text: String,
    /// Whether there is anything in it to be seen.
    drawn: bool,
    /// Whether the cursor is below the picture, where its own last line is expected.
    below: bool,
}

impl Canvas {
    /// That of stderr.
    pub(super) fn stderr() -> Self {
        Self::on(Stream::of(rustix::stdio::stderr()))
    }

    fn on(stream: Stream) -> Self {
        Self {
            stream,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self) -> Size {
        let size = self.stream.size().unwrap_or(USUAL);
        match size.rows {
            0 => Size {
                rows: USUAL.rows,
                ..size
            },
            _ => size,
        }
    }

    fn add(&self, text: &str) -> io::Result<()> {
        self.state().add(text);
        Ok(())
    }

    fn go(&self, n: usize, way: char) -> io::Result<()> {
        match n {
            0 => Ok(()),
            n => self.add(&format!("\x1b[{n}{way}")),
        }
    }
}

impl State {
    fn add(&mut self, text: &str) {
        if std::mem::take(&mut self.below) {
            self.text.push_str("\r\x1b[2K\x1b[1A");
        }
        self.text.push_str(text);
    }
}

impl std::fmt::Debug for Canvas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canvas").finish_non_exhaustive()
    }
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        self.size().columns
    }

    fn height(&self) -> u16 {
        // One is the cursor's.
        self.size().rows.saturating_sub(1).max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.add("\r\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.state().drawn |= !text.trim().is_empty();
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        if std::mem::take(&mut state.drawn) {
            state.add("\r\n");
            state.below = true;
        }
        let text = std::mem::take(&mut state.text);
        match text.is_empty() {
            true => Ok(()),
            false => self.stream.write(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::Captured;
    use super::*;

    #[test]
    fn the_cursor_waits_below_what_is_drawn() {
        let out = Captured::default();
        let canvas = Canvas::on(Stream::to(Box::new(out.clone()), Some(10)));
        assert_eq!((canvas.width(), canvas.height()), (10, 23));
        canvas.write_str("one       ").unwrap();
        canvas.write_str("two       ").unwrap();
        canvas.flush().unwrap();
        // The picture goes: what follows is written where it stood.
        canvas.move_cursor_up(1).unwrap();
        canvas.clear_line().unwrap();
        canvas.flush().unwrap();
        canvas.flush().unwrap();
        let picture = "one       two       \r\n";
        let gone = "\r\x1b[2K\x1b[1A\x1b[1A\r\x1b[2K";
        assert_eq!(out.text(), format!("{picture}{gone}"));
    }
}
