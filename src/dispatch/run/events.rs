//! `events.jsonl`: what happened, one line each, numbered without a gap.
//!
//! A line that a killed writer left torn was never acted upon: it is cut off before the next one is
//! written. While the disk is full, lines wait in memory.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::RunDir;
use crate::domain::dispatch::{Event, Record};
use crate::domain::{Error, Result};
use crate::sys::fs;

/// The log of a run that this process has.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    last: u64,
    /// Lines that are not written yet.
    waiting: Vec<u8>,
}

impl Log {
    /// Takes up the log: every event goes to `each`, a torn last line away.
    pub fn open(run: &RunDir, each: impl FnMut(Record)) -> Result<Self> {
        let path = run.events();
        let read = replay(&path, each)?;
        if read.torn {
            fs::cut(&path, read.length)?;
        }
        Ok(Self {
            path,
            last: read.last,
            waiting: Vec::new(),
        })
    }

    /// A log with nothing in it.
    pub fn anew(path: PathBuf) -> Result<Self> {
        fs::remove_file_if_there(&path)?;
        Ok(Self {
            path,
            last: 0,
            waiting: Vec::new(),
        })
    }

    /// Gives an event its number and time. It is written with the next [`Log::write`].
    pub fn add(&mut self, event: Event, time: Timestamp) -> Record {
        self.last += 1;
        let record = Record {
            n: self.last,
            time,
            event,
        };
        // Nothing in an event can fail to become text.
        if serde_json::to_writer(&mut self.waiting, &record).is_ok() {
            self.waiting.push(b'\n');
        }
        record
    }

    /// Writes what waits, all or nothing.
    pub fn write(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            fs::append_line(&self.path, &self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }

    /// Whether all is written.
    pub fn is_written(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has what was written survive the machine.
    pub fn sync(&self) -> Result<()> {
        fs::sync_file(&self.path)
    }
}

/// How far a log could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReadTo {
    /// The number of its last event.
    pub last: u64,
    /// Its length in bytes, without what is torn.
    pub length: u64,
    /// Whether something torn follows.
    pub torn: bool,
}

/// Reads a log, every event of it to `each`.
///
/// # Errors
/// If a line that is not the last can't be read: what follows from the events can't be known then.
pub fn replay(path: &Path, mut each: impl FnMut(Record)) -> Result<ReadTo> {
    let mut read = ReadTo::default();
    let Some(file) = fs::open_growing(path)? else {
        return Ok(read);
    };
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let got = lines.read_until(b'\n', &mut line);
        let got = got.map_err(|e| Error::io("read", path, e))? as u64;
        if got == 0 {
            return Ok(read);
        }
        if line.last() != Some(&b'\n') {
            read.torn = true;
            return Ok(read);
        }
        let record = parsed(path, read.last + 1, &line)?;
        read.last = record.n;
        read.length += got;
        each(record);
    }
}

/// The event of a line, which has to be the `n`th.
pub(super) fn parsed(path: &Path, n: u64, line: &[u8]) -> Result<Record> {
    let record: Record = serde_json::from_slice(line).map_err(|error| damaged(path, n, &error))?;
    match record.n == n {
        true => Ok(record),
        false => Err(damaged(path, n, &format!("its number is {}", record.n))),
    }
}

fn damaged(path: &Path, n: u64, error: &dyn std::fmt::Display) -> Error {
    Error::failed(format!(
        "line {n} of {} is damaged: {error}",
        path.display()
    ))
    .with_hint(
        "nothing was changed; cut the file off before that line to go on from there, or begin the \
         run anew with `repo-pool dispatch run FILE --fresh`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        dir: tempfile::TempDir,
    }

    impl Scene {
        fn run(&self) -> RunDir {
            RunDir::at(self.dir.path().to_owned(), "r".to_owned())
        }

        fn open(&self) -> (Log, Vec<String>) {
            let mut seen = Vec::new();
            let log = Log::open(&self.run(), |record| match record.event {
                Event::Warning { text } => seen.push(text),
                other => panic!("{other:?}"),
            });
            (log.expect("a log"), seen)
        }
    }

    fn scene() -> Scene {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_private_dir_all(&dir.path().join("r")).expect("a directory");
        Scene { dir }
    }

    fn warn(log: &mut Log, text: &str) -> u64 {
        let text = text.to_owned();
        log.add(Event::Warning { text }, Timestamp::UNIX_EPOCH).n
    }

    #[test]
    fn a_torn_line_is_cut_and_its_number_given_again() {
        let scene = scene();
        let (mut log, _) = scene.open();
        assert_eq!([warn(&mut log, "a"), warn(&mut log, "b\n\u{1}")], [1, 2]);
        log.write().expect("writing");
        let path = scene.run().events();
        let whole = fs::read_if_there(&path).expect("it").expect("it");
        for length in whole.len() / 2 + 1..whole.len() {
            fs::write_public(&path, &whole[..length]).expect("writing");
            let (mut log, seen) = scene.open();
            assert_eq!(seen, ["a"], "cut at {length}");
            assert_eq!(warn(&mut log, "c"), 2);
            log.write().expect("writing");
            assert_eq!(scene.open().1, ["a", "c"]);
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later_and_once() {
        let scene = scene();
        let (mut log, _) = scene.open();
        let path = scene.run().events();
        fs::create_private_dir_all(&path).expect("a directory in its place");
        warn(&mut log, "a");
        assert!(log.write().is_err() && !log.is_written());
        warn(&mut log, "b");
        assert!(log.write().is_err());
        assert!(fs::remove_dir_if_empty(&path));
        log.write().expect("writing");
        log.write().expect("nothing left to write");
        assert!(log.is_written());
        assert_eq!(scene.open().1, ["a", "b"]);
    }

    #[test]
    fn a_damaged_line_or_a_gap_is_named() {
        let scene = scene();
        let (mut log, _) = scene.open();
        warn(&mut log, "a");
        log.write().expect("writing");
        let path = scene.run().events();
        let good = fs::read_if_there(&path).expect("it").expect("it");
        for bad in [&b"{}\n"[..], b"\n", &good] {
            fs::write_public(&path, &[&good, bad].concat()).expect("writing");
            let error = Log::open(&scene.run(), drop).expect_err("damage");
            assert!(error.to_string().starts_with("line 2 of "), "{error}");
        }
    }
}
