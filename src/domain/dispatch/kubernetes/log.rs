//! The output of a pod, had in pieces: every line once.
//!
//! A line comes with its time, and a node gives the lines from a time on, in the order in which it has
//! written them. That need not be the order of their times: a clock may be put back, and what a process
//! writes to its two outputs is stamped apart. So lines are passed over by their number, counted from the
//! time that is asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far the lines of a pod were had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The latest time of any of them.
    last: Option<Timestamp>,
    /// How many they are.
    all: u64,
    /// What is asked for next, and what will be when there is a line of a later second: a second before
    /// the last one at least, for a line may come after one with a later time.
    since: Mark,
    next: Mark,
}

/// A second, and how many of the lines are of it or a later one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// None: the beginning.
    from: Option<Timestamp>,
    lines: u64,
}

/// Puts together what `kubectl logs --timestamps` prints, however often it has to be asked again: each
/// line comes with its time, and what was had before is passed over.
#[derive(Debug, Default)]
pub struct Lines {
    had: Position,
    /// It was asked again, and nothing has come yet.
    anew: bool,
    /// How many of the lines to come were had before.
    known: u64,
    /// What has come of a line whose end has not.
    rest: Vec<u8>,
    /// The line before was had before.
    passing: bool,
}

impl Position {
    /// A line of that time was had.
    fn add(&mut self, time: Timestamp) {
        if self.last.is_none_or(|last| second(last) < second(time)) {
            self.since = std::mem::replace(&mut self.next, Mark::at(second(time)));
        }
        // It would not come again: only from the beginning on it is certain that none is missing.
        if !self.since.holds(time) {
            self.since = Mark {
                from: None,
                lines: self.all,
            };
        }
        self.all += 1;
        for mark in [&mut self.since, &mut self.next] {
            mark.lines += u64::from(mark.holds(time));
        }
        self.last = self.last.max(Some(time));
    }
}

impl Mark {
    fn at(second: Timestamp) -> Self {
        Self {
            from: Some(second),
            lines: 0,
        }
    }

    fn holds(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time)
    }
}

impl Lines {
    /// From where an earlier one was.
    pub fn at(position: Position) -> Self {
        Self {
            had: position,
            ..Self::default()
        }
    }

    /// How far they were had.
    pub fn position(&self) -> &Position {
        &self.had
    }

    /// It is asked again, from [`Self::since`] on.
    pub fn begin(&mut self) {
        self.anew = true;
    }

    /// From which time on there may be lines that were not had: a whole second; none: the beginning.
    pub fn since(&self) -> Option<Timestamp> {
        self.had.since.from
    }

    /// What is new in these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        if std::mem::take(&mut self.anew) {
            self.rest.clear();
            self.known = self.had.since.lines;
            self.passing = self.known > 0;
        }
        self.rest.extend_from_slice(bytes);
        let mut new = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&line, &mut new);
        }
        new
    }

    /// What is new in a last line without an end. Nothing more comes.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut new = Vec::new();
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.line(&line, &mut new);
        }
        new
    }

    fn line(&mut self, line: &[u8], new: &mut Vec<u8>) {
        // A line of no time goes with the one before it.
        let text = timed(line).map_or(line, |(time, text)| {
            self.passing = self.was_had(time);
            text
        });
        if !self.passing {
            new.extend_from_slice(text);
        }
    }

    /// Whether the next line, which is of that time, was had before.
    fn was_had(&mut self, time: Timestamp) -> bool {
        // What is later than all that was had is new, and so is what follows: a node that has begun a new
        // file gives less than it did before.
        if self.had.last.is_none_or(|last| last < time) {
            self.known = 0;
        }
        if self.known > 0 {
            self.known -= 1;
            return true;
        }
        self.had.add(time);
        false
    }
}

fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A line's time and text.
fn timed(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let space = line.iter().take(64).position(|byte| *byte == b' ')?;
    let time = std::str::from_utf8(&line[..space]).ok()?;
    Some((time.parse().ok()?, &line[space + 1..]))
}
