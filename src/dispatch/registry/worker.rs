//! The thread that writes registries: whoever else holds one, the queue does not wait for it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::document::{Standing, patched};
use super::place::Place;
use super::words;
use super::writings::Writings;
use crate::dispatch::files::{LARGEST, digest};
use crate::domain::{Error, Result};
use crate::store::locks::named;
use crate::sys::clock::{self, Deadline, Stopwatch};
use crate::sys::fs;
use crate::sys::lock::{self, FileLock};

/// A registry is written at most so often: it is one file, written as a whole.
const AT_MOST: Duration = Duration::from_secs(1);

/// After how long one that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// What a registry is told.
pub(super) enum Message {
    /// Another registry.
    Open {
        /// Which of the run's files it is.
        file: u32,
        /// Where it is.
        place: Place,
    },
    /// Where a task of it stands.
    Stands {
        file: u32,
        task: String,
        standing: Standing,
    },
    /// What happened.
    Happened { file: u32, line: Value },
    /// That was all: what is left may take so long.
    End(Duration),
}

/// One registry.
struct Book {
    place: Place,
    standings: BTreeMap<String, Standing>,
    lines: Vec<Value>,
    /// What was said of it.
    trouble: Option<String>,
    /// Whether that is only somebody else's lock.
    locked: bool,
    /// When it may be written again.
    not_before: Deadline,
}

impl Book {
    fn new(place: Place) -> Self {
        Self {
            place,
            standings: BTreeMap::new(),
            lines: Vec::new(),
            trouble: None,
            locked: false,
            not_before: Deadline::after(Duration::ZERO),
        }
    }

    fn is_behind(&self) -> bool {
        !(self.standings.is_empty() && self.lines.is_empty())
    }

    /// Writes what is known, if nobody else is at it.
    fn write(&mut self, now: Timestamp, own: &Writings) -> Result<()> {
        self.locked = false;
        for file in [&self.place.lock, &self.place.events] {
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory)?;
            }
        }
        let lock = FileLock::try_acquire(&self.place.lock)?;
        self.locked = lock.is_none();
        let Some(_lock) = lock else {
            let holder = lock::holder(&self.place.lock).map(named);
            let by = holder.map(|holder| format!(" by {holder}"));
            return Err(Error::failed(format!(
                "it is locked{}",
                by.unwrap_or_default()
            )));
        };
        if !self.standings.is_empty() {
            let bytes = fs::read_limited(&self.place.tasks, LARGEST)?;
            let text = String::from_utf8(bytes).map_err(|_| Error::failed("it is not in UTF-8"))?;
            let new = patched(&text, &self.standings, &words::time(now)).map_err(Error::failed)?;
            if let Some(new) = new {
                let [from, to] = [&text, &new].map(|text| digest(text.as_bytes()));
                own.add(&self.place.tasks, from, to);
                fs::write_public(&self.place.tasks, new.as_bytes())?;
            }
            self.standings.clear();
        }
        if !self.lines.is_empty() {
            let lines: Vec<String> = self.lines.iter().map(|line| format!("{line}\n")).collect();
            fs::append_line(&self.place.events, lines.concat().as_bytes())?;
            self.lines.clear();
        }
        Ok(())
    }

    /// The same, with word of how it went.
    fn try_to_write(&mut self, own: &Writings, tell: &dyn Fn(&str)) {
        let watch = Stopwatch::start();
        let written = self.write(clock::now(), own);
        // What is large is written less often.
        let pause = (watch.elapsed() * 10).max(AT_MOST);
        let place = self.place.tasks.display();
        match written {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    tell(&format!("the registry {place} is up to date again"));
                }
                self.not_before = Deadline::after(pause);
            }
            Err(error) => {
                let trouble = error.to_string();
                if self.trouble.as_ref() != Some(&trouble) {
                    tell(&format!(
                        "the registry {place} is not up to date: {trouble}; the run goes on, and it \
                         is tried again"
                    ));
                }
                self.trouble = Some(trouble);
                self.not_before = Deadline::after(pause.max(AGAIN));
            }
        }
    }
}

/// Writes registries until the end. Returns what is still wrong then.
pub(super) fn work(
    messages: &Receiver<Message>,
    own: &Writings,
    tell: &dyn Fn(&str),
) -> Vec<String> {
    let mut books: BTreeMap<u32, Book> = BTreeMap::new();
    loop {
        let behind = books.values().filter(|book| book.is_behind());
        let next = behind.map(|book| book.not_before.remaining().unwrap_or_default());
        let heard = match next.min() {
            Some(wait) => messages.recv_timeout(wait),
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut next = match heard {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Message::End(Duration::ZERO)),
        };
        // All that is there goes into one writing.
        while let Some(message) = next {
            if let Message::End(limit) = message {
                return end(books, limit, own, tell);
            }
            take(&mut books, message);
            next = messages.try_recv().ok();
        }
        let due = |book: &&mut Book| book.is_behind() && book.not_before.passed();
        for book in books.values_mut().filter(due) {
            book.try_to_write(own, tell);
        }
    }
}

fn take(books: &mut BTreeMap<u32, Book>, message: Message) {
    match message {
        Message::Open { file, place } => {
            books.entry(file).or_insert_with(|| Book::new(place));
        }
        Message::Stands {
            file,
            task,
            standing,
        } => {
            if let Some(book) = books.get_mut(&file) {
                book.standings.insert(task, standing);
            }
        }
        Message::Happened { file, line } => {
            if let Some(book) = books.get_mut(&file) {
                book.lines.push(line);
            }
        }
        Message::End(_) => {}
    }
}

/// The last word to each of them.
fn end(
    books: BTreeMap<u32, Book>,
    limit: Duration,
    own: &Writings,
    tell: &dyn Fn(&str),
) -> Vec<String> {
    let deadline = Deadline::after(limit);
    // Nobody sends here: it is for waiting, which no signal cuts short.
    let (_sender, nobody) = channel::<()>();
    let mut left = Vec::new();
    for mut book in books.into_values().filter(Book::is_behind) {
        book.try_to_write(own, tell);
        while book.is_behind() && book.locked && !deadline.passed() {
            let _ = nobody.recv_timeout(Duration::from_millis(100));
            book.try_to_write(own, tell);
        }
        if let Some(trouble) = book.trouble.filter(|_| !book.standings.is_empty()) {
            left.push(format!(
                "the registry {} was not brought up to date: {trouble}; the same `repo-pool dispatch \
                 run` does so once it can be written",
                book.place.tasks.display()
            ));
        }
    }
    left
}
