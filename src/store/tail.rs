//! Following a pool's history while it is written: each event once, across rotations.

use super::growing::Growing;
use super::{PoolPaths, events};
use crate::domain::Result;
use crate::domain::event::Event;
use crate::sys::fs;

/// A reader of a pool's history that remembers how far it came.
#[derive(Debug)]
pub struct Tail {
    paths: PoolPaths,
    begun: bool,
    /// The file that is being appended to, as far as is known.
    current: Option<Growing>,
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
                found.extend(events::parse(&current.read_on()?));
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
            None => self.current = Growing::open(&self.paths.old_events())?,
        }
        Ok(())
    }

    /// The older file, unless it is the one that is being read.
    fn read_older(&self, found: &mut Vec<Event>) -> Result<()> {
        let Some(mut older) = Growing::open(&self.paths.old_events())? else {
            return Ok(());
        };
        let current = self.current.as_ref();
        if !current.is_some_and(|current| current.is_same_as(&older)) {
            found.extend(events::parse(&older.read_on()?));
        }
        Ok(())
    }

    /// Goes on to the file that took the current one's place. False if none did.
    fn advance(&mut self, found: &mut Vec<Event>) -> Result<bool> {
        let Some(now) = fs::metadata_if_there(&self.paths.events())? else {
            return Ok(false);
        };
        match &mut self.current {
            Some(current) if current.is(&now) => {
                // Somebody emptied it.
                if now.len() < current.position() {
                    current.rewind();
                    return Ok(true);
                }
                return Ok(false);
            }
            Some(current) => {
                // What was written between the last look and the rotation.
                found.extend(events::parse(&current.read_on()?));
                // Two rotations since the last time: what came between them is the older file.
                self.read_older(found)?;
            }
            // There was nothing at all until now.
            None => self.read_older(found)?,
        }
        self.current = self.open()?;
        Ok(self.current.is_some())
    }

    fn open(&self) -> Result<Option<Growing>> {
        Growing::open(&self.paths.events())
    }
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
