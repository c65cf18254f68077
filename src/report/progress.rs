//! Bars on stderr, fed by what git says of its progress.

use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::Board;
use super::canvas::Canvas;
use super::grid::shortened;
use super::{escape, tables};
use crate::domain::progress::Step;

/// What may be kept of a line that has not ended; git's own are far shorter.
const LINE_MAX: usize = 512;

/// Bars are drawn at most so often in a second.
const PER_SECOND: u8 = 20;

/// The columns that what a bar is about may take: beside it, progress still has its place.
const TITLE_MAX: u16 = 30;

/// What cannot fit beside the title and the bar is cut: a wrapped line would not be drawn over.
const TEMPLATE: &str = "{prefix}  [{bar:12}] {wide_msg}";

/// The phases of git's that are shown, as git names them.
const PHASES: [&str; 8] = [
    "Enumerating objects",
    "Counting objects",
    "Compressing objects",
    "Receiving objects",
    "Resolving deltas",
    "Updating files",
    "Checking out files",
    "Filtering content",
];

/// All bars of a command.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
}

impl Progress {
    /// Bars on stderr, or, when not enabled, ones that do nothing.
    pub fn new(enabled: bool) -> Self {
        let target = if enabled {
            ProgressDrawTarget::term_like_with_hz(Box::new(Canvas::stderr()), PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
        }
    }

    /// Whether nothing is drawn.
    pub fn is_hidden(&self) -> bool {
        self.bars.is_hidden()
    }

    /// A bar for a clone; it is there at once, since a remote may take its time to answer.
    pub fn clone_bar(&self, name: &str) -> Bar {
        let bar = self.add("cloning", name, "waiting for the remote");
        if let Some(bar) = &bar.bar {
            bar.tick();
        }
        bar
    }

    /// A bar for a slot being made; it appears when there is progress to show.
    pub fn slot_bar(&self, name: &str) -> Bar {
        self.add("making", tables::short_id(name).as_ref(), "")
    }

    /// A bar for a fetch; it appears when there is progress to show.
    pub fn fetch_bar(&self, name: &str) -> Bar {
        self.add("fetching", name, "")
    }

    /// A bar for a set-up, which tells of no progress.
    pub fn setup_bar(&self, name: &str) -> Bar {
        self.add("setting up", tables::short_id(name).as_ref(), "")
    }

    /// The bar for a step.
    pub fn bar(&self, step: Step<'_>) -> Bar {
        match step {
            Step::Clone(pool) => self.clone_bar(pool),
            Step::Fetch(pool) => self.fetch_bar(pool),
            Step::Slot(slot) => self.slot_bar(slot),
            Step::SetUp(slot) => self.setup_bar(slot),
        }
    }

    /// Some lines below all that is said, if anything is drawn.
    pub(super) fn board(&self) -> Option<Board> {
        (!self.is_hidden()).then(|| Board::below(&self.bars))
    }

    /// Runs something that writes to the terminal while no bar is there.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.is_hidden() {
            write()
        } else {
            self.bars.suspend(write)
        }
    }

    fn add(&self, doing: &str, name: &str, message: &'static str) -> Bar {
        let title = format!("{doing} {}", shortened(&escape::escape(name), TITLE_MAX));
        let bar = (!self.is_hidden()).then(|| {
            // Set up before it is added: from then on every change is drawn.
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::hidden())
                .with_prefix(title)
                .with_message(message);
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("=> "));
            }
            self.bars.add(bar)
        });
        Bar {
            bars: self.bars.clone(),
            bar,
            parser: Mutex::default(),
        }
    }
}

/// One bar. It disappears when it is finished or dropped.
#[derive(Debug)]
pub struct Bar {
    bars: MultiProgress,
    bar: Option<ProgressBar>,
    parser: Mutex<Parser>,
}

impl Bar {
    /// Takes bytes that git wrote to stderr, in chunks of any size.
    pub fn feed(&self, bytes: &[u8]) {
        let Some(bar) = &self.bar else { return };
        let mut parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(update) = parser.feed(bytes) {
            bar.set_message(update.message());
            bar.set_position(update.percent.unwrap_or(0).into());
        }
    }

    /// Takes the bar away and leaves `message`, if there is one, in its place.
    pub fn finish(&self, message: &str) {
        let Some(bar) = &self.bar else { return };
        if !bar.is_finished() {
            bar.finish_and_clear();
            self.bars.remove(bar);
            if !message.is_empty() {
                // Nothing depends on whether the terminal is still there.
                let _ = self.bars.println(escape::escape(message));
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish("");
    }
}

/// What git said last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Update {
    /// One of [`PHASES`].
    phase: &'static str,
    /// 0 to 100; absent when git doesn't know how much there is.
    percent: Option<u8>,
    /// `(1/2)`, or a number that counts up.
    amount: String,
    /// `1.2 MiB | 3.0 MiB/s`, or empty.
    rate: String,
}

impl Update {
    fn message(&self) -> String {
        let mut text = self.phase.to_lowercase();
        if let Some(percent) = self.percent {
            text.push_str(&format!(" {percent}%"));
        }
        for part in [&self.amount, &self.rate] {
            if !part.is_empty() {
                text.push(' ');
                text.push_str(part);
            }
        }
        text
    }
}

/// Finds progress in git's stderr. Lines end with CR while they are being updated, with LF at the
/// end; everything that is not known as progress is passed over.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    overlong: bool,
}

impl Parser {
    /// The last progress in these bytes, if there was any.
    fn feed(&mut self, bytes: &[u8]) -> Option<Update> {
        let mut last = None;
        for byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                if !self.overlong {
                    last = parse_line(&self.line).or(last);
                }
                self.line.clear();
                self.overlong = false;
            } else if self.line.len() < LINE_MAX {
                self.line.push(*byte);
            } else {
                self.overlong = true;
            }
        }
        last
    }
}

/// `[remote: ]PHASE:  45% (123/456)[, 1.2 MiB | 3.0 MiB/s][, done.]` or `[remote: ]PHASE: 123[, done.]`.
fn parse_line(line: &[u8]) -> Option<Update> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let line = line.strip_prefix("remote:").unwrap_or(line).trim_start();
    let (title, rest) = line.split_once(':')?;
    let phase = PHASES.into_iter().find(|phase| *phase == title)?;
    let mut parts = rest.trim().split(", ");
    let amount = parts.next()?;
    // The rest comes from the remote: only what a size and a speed are made of is shown.
    let plain = |c: char| c.is_ascii_alphanumeric() || "./| ".contains(c);
    let rate = parts
        .find(|part| part.starts_with(|c: char| c.is_ascii_digit()) && part.chars().all(plain))
        .unwrap_or_default();
    let (percent, amount) = match amount.split_once('%') {
        Some((percent, amount)) => (Some(percent.parse().ok().filter(|p| *p <= 100)?), amount),
        None => (None, amount),
    };
    let amount = amount.trim();
    let count = |c: char| c.is_ascii_digit() || "(/)".contains(c);
    if !amount.chars().all(count) {
        return None;
    }
    Some(Update {
        phase,
        percent,
        amount: amount.to_owned(),
        rate: rate.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;

    fn said(bytes: &[u8]) -> String {
        Parser::default()
            .feed(bytes)
            .map(|update| update.message())
            .unwrap_or_default()
    }

    #[test]
    fn the_last_progress_of_a_chunk_counts() {
        for (bytes, text) in [
            (&b"Cloning into 'x'...\n"[..], ""),
            (b"remote: Enumerating objects: 123, done.\n", "enumerating objects 123"),
            (b"remote: Counting objects:  45% (9/20)\rremote: Counting objects: 100% (20/20), done.\n", "counting objects 100% (20/20)"),
            (b"Receiving objects:  45% (123/456), 1.20 MiB | 3.00 MiB/s\r", "receiving objects 45% (123/456) 1.20 MiB | 3.00 MiB/s"),
            (b"Receiving objects: 100% (456/456), 2.00 MiB | 3.00 MiB/s, done.\n", "receiving objects 100% (456/456) 2.00 MiB | 3.00 MiB/s"),
            (b"Resolving deltas:   0% (0/9)\r", "resolving deltas 0% (0/9)"),
            (b"Updating files:  45% (45/100)\r\nHEAD is now at\n", "updating files 45% (45/100)"),
            (b"Updating files:  45% (45/1", ""),
            (b"Updating files: 450% (45/1)\r", ""),
            (b"remote: Receiving objects: \x1b[31m 4% (1/2)\r", ""),
            (b"remote: Receiving objects:  4% (1/2), 1\x1b]0;x\x07 MiB\r", "receiving objects 4% (1/2)"),
        ] {
            assert_eq!(said(bytes), text, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn hidden_bars_do_nothing() {
        let progress = Progress::new(false);
        let bar = progress.clone_bar("p");
        bar.feed(b"Receiving objects:  45% (123/456)\r");
        bar.finish("done");
        assert!(progress.is_hidden() && bar.bar.is_none());
    }

    /// A terminal that only remembers what was written to it.
    #[derive(Debug, Clone, Default)]
    struct Paper(std::sync::Arc<Mutex<String>>);

    impl Paper {
        /// What was written since the last time.
        fn take(&self) -> String {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    impl indicatif::TermLike for Paper {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text.trim_end());
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bars_show_progress_and_leave_only_the_message() {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let progress = Progress {
            bars: MultiProgress::with_draw_target(target),
        };
        let clone = progress.clone_bar("my\x1bproject");
        assert_eq!(
            paper.take(),
            "cloning my\\x1bproject  [            ] waiting for the remote"
        );
        let slot = progress.slot_bar("p/slot1");
        assert_eq!(paper.take(), "");
        slot.feed(b"Updating files:  50% (1/2)\r");
        let shown = paper.take();
        assert!(
            shown.contains("making p/slot1  [======>     ] updating files 50% (1/2)"),
            "{shown}"
        );
        drop(slot);
        paper.take();
        clone.finish("cloned");
        let shown = paper.take();
        assert!(shown.ends_with("cloned"), "{shown}");
    }

    #[test]
    fn a_bar_keeps_to_one_line() {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let progress = Progress {
            bars: MultiProgress::with_draw_target(target),
        };
        for pool in ["my-project", &"long".repeat(16)] {
            let slot = progress.slot_bar(&format!("workspace-{pool}-slot12"));
            slot.feed(b"Receiving objects:  45% (123456/274567), 120.00 MiB | 13.00 MiB/s\r");
            let shown = paper.take();
            assert!(
                shown.contains("/slot12  [=====>      ] receiving objects"),
                "{shown}"
            );
            for line in shown.split("making ").skip(1) {
                assert!(line.chars().count() + "making ".len() <= 80, "{line}");
            }
            drop(slot);
            paper.take();
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_are_the_same(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'%')], 0..700),
            cut in 0usize..700,
        ) {
            let whole = Parser::default().feed(&bytes);
            let cut = cut.min(bytes.len());
            let mut parser = Parser::default();
            let first = parser.feed(&bytes[..cut]);
            let second = parser.feed(&bytes[cut..]);
            prop_assert_eq!(whole, second.or(first));
            prop_assert!(parser.line.len() <= LINE_MAX);
        }

        #[test]
        fn progress_survives_any_cut(done in 0u32..=100, cut in 0usize..60) {
            let line = format!("Receiving objects: {done:3}% ({done}/100), 1.00 KiB | 2.00 KiB/s\r");
            let cut = cut.min(line.len());
            let mut parser = Parser::default();
            let first = parser.feed(&line.as_bytes()[..cut]);
            let update = parser.feed(&line.as_bytes()[cut..]).or(first).unwrap();
            prop_assert_eq!(update.percent.map(u32::from), Some(done));
        }
    }
}
