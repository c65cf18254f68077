//! Following a pool's history while it is written: each event once, across rotations.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::{PoolPaths, events};
use crate::domain::event::Event;
use crate::domain::{Error, Result};
use crate::sys::fs;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// A reader of a pool's history that remembers how far it came.
#[derive(Debug)]
pub struct Tail {
    paths: PoolPaths,
    begun: bool,
    current: Option<Current>,
}

/// The file that is being appended to, as far as is known.
#[derive(Debug)]
struct Current {
    file: File,
    identity: (u64, u64),
    /// How much of it was read.
    read: u64,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl Tail {
    /// A reader that has read nothing yet.
    pub fn new(paths: PoolPaths) -> Self {
        Self {
            paths,
            begun: false,
            current: None,
        }
    }

    /// The events since the last time, oldest first; the first time the whole history.
    pub fn read(&mut self) -> Result<Vec<Event>> {
        let mut found = Vec::new();
        if !self.begun {
            self.begin(&mut found)?;
        }
        // One round for each rotation since the last time.
        loop {
            if let Some(current) = &mut self.current {
                found.extend(current.read_on()?);
            }
            if !self.advance(&mut found)? {
                return Ok(found);
            }
        }
    }

    /// Opens the current file before it reads the older one: one that is rotated meanwhile is so read
    /// once, and not passed over.
    fn begin(&mut self, found: &mut Vec<Event>) -> Result<()> {
        self.begun = true;
        self.current = self.open()?;
        match self.current {
            Some(_) => self.read_older(found)?,
            // It was rotated, and nothing was written since.
            None => self.current = open(&self.paths.old_events())?,
        }
        Ok(())
    }

    /// The older file, unless it is the one that is being read.
    fn read_older(&self, found: &mut Vec<Event>) -> Result<()> {
        let Some(mut older) = open(&self.paths.old_events())? else {
            return Ok(());
        };
        let known = self.current.as_ref().map(|current| current.identity);
        if known != Some(older.identity) {
            found.extend(older.read_on()?);
        }
        Ok(())
    }

    /// Goes on to the file that took the current one's place. False if none did.
    fn advance(&mut self, found: &mut Vec<Event>) -> Result<bool> {
        let Some(now) = fs::metadata_if_there(&self.paths.events())? else {
            return Ok(false);
        };
        match &mut self.current {
            Some(current) if current.identity == identity(&now) => {
                // Somebody emptied it.
                if now.len() < current.read {
                    current.read = 0;
                    current.rest.clear();
                    return Ok(true);
                }
                return Ok(false);
            }
            Some(current) => {
                // What was written between the last look and the rotation.
                found.extend(current.read_on()?);
                // Two rotations since the last time: what came between them is the older file.
                self.read_older(found)?;
            }
            // There was nothing at all until now.
            None => self.read_older(found)?,
        }
        self.current = self.open()?;
        Ok(self.current.is_some())
    }

    fn open(&self) -> Result<Option<Current>> {
        open(&self.paths.events())
    }
}

fn open(path: &std::path::Path) -> Result<Option<Current>> {
    let Some(file) = fs::open_growing(path)? else {
        return Ok(None);
    };
    let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
    Ok(Some(Current {
        identity: identity(&metadata),
        file,
        read: 0,
        rest: Vec::new(),
    }))
}

impl Current {
    /// The events in the lines that have ended since the last time.
    fn read_on(&mut self) -> Result<Vec<Event>> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = self.file.read_at(&mut chunk, self.read);
            let read = read.map_err(|e| Error::io("read", "the history", e))?;
            if read == 0 {
                break;
            }
            self.read += read as u64;
            self.rest.extend_from_slice(&chunk[..read]);
        }
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n');
        let rest = self.rest.split_off(whole.map_or(0, |end| end + 1));
        let lines = std::mem::replace(&mut self.rest, rest);
        Ok(events::parse(&lines).collect())
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;
    use crate::domain::names::PoolName;

    struct Scene {
        _dir: tempfile::TempDir,
        paths: PoolPaths,
        written: u32,
    }

    impl Scene {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            let name = PoolName::new("p").expect("a name");
            let paths = PoolPaths::new(dir.path(), &name);
            fs::create_private_dir_all(&paths.root).expect("a directory");
            Self {
                _dir: dir,
                paths,
                written: 0,
            }
        }

        fn write(&mut self) {
            self.written += 1;
            let now = jiff::Timestamp::UNIX_EPOCH;
            let event = Event::new(EventKind::Fetched, "p", now).detail(self.written.to_string());
            events::append(&self.paths, &[event]).expect("writing");
        }

        fn rotate(&self) {
            fs::rename(&self.paths.events(), &self.paths.old_events()).expect("renaming");
        }
    }

    fn numbers(tail: &mut Tail) -> Vec<u32> {
        let events = tail.read().expect("reading").into_iter();
        let number = |event: Event| event.detail?.parse().ok();
        events
            .map(|event| number(event).expect("a number"))
            .collect()
    }

    #[test]
    fn each_event_is_read_once_across_rotations() {
        let mut scene = Scene::new();
        let mut tail = Tail::new(scene.paths.clone());
        assert_eq!(numbers(&mut tail), [0; 0]);
        scene.write();
        scene.rotate();
        scene.write();
        assert_eq!(numbers(&mut tail), [1, 2]);
        let mut late = Tail::new(scene.paths.clone());
        assert_eq!(numbers(&mut late), [1, 2]);
        for tail in [&mut tail, &mut late] {
            assert_eq!(numbers(tail), [0; 0]);
        }
        scene.write();
        scene.rotate();
        assert_eq!(numbers(&mut tail), [3], "rotated, and nothing new yet");
        scene.write();
        assert_eq!(numbers(&mut tail), [4]);
        scene.write();
        scene.rotate();
        scene.write();
        scene.rotate();
        scene.write();
        assert_eq!(numbers(&mut tail), [5, 6, 7], "rotated twice");
        assert_eq!(numbers(&mut late), [3, 6, 7], "what is still kept");
    }

    #[test]
    fn a_line_counts_when_it_has_ended() {
        let mut scene = Scene::new();
        let mut tail = Tail::new(scene.paths.clone());
        scene.write();
        let all = fs::read_if_there(&scene.paths.events())
            .expect("it")
            .expect("it");
        let torn = &all[..all.len() / 2];
        assert_eq!(numbers(&mut tail), [1]);
        fs::append_line(&scene.paths.events(), torn).expect("writing");
        assert_eq!(numbers(&mut tail), [0; 0]);
        scene.write();
        assert_eq!(numbers(&mut tail), [2], "the torn one is passed over");
    }
}
