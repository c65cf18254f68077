//! A shim's signs of life.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files;
use super::order::Order;
use crate::sys::clock::Deadline;
use crate::sys::{companion, fs};

/// Gives one now and then.
#[derive(Debug)]
pub struct Beat {
    file: PathBuf,
    every: Duration,
    next: Deadline,
}

impl Beat {
    /// From now on.
    pub fn new(order: &Order) -> Self {
        Self {
            file: files::heartbeat(&order.dir),
            every: order.terms.beat,
            next: Deadline::after(order.terms.beat),
        }
    }

    /// How long until the next.
    pub fn patience(&self) -> Duration {
        self.next.remaining().unwrap_or_default()
    }

    /// Gives one, if it is time to.
    ///
    /// The lock file's is the one that counts: it is there, so a full disk can't keep it from coming.
    /// The heartbeat file is for whoever asks for it by its name; short commands never have one.
    pub fn give(&mut self) {
        if self.next.passed() {
            let _ = companion::touch_lock();
            let file = fs::open_log(&self.file);
            let _ = file.map(|file| fs::touch(&file));
            self.next = Deadline::after(self.every);
        }
    }
}

/// The last sign of life. Any other time is another one, whatever the clock has been set to.
pub fn last(dir: &Path) -> Option<SystemTime> {
    let metadata = fs::metadata_if_there(&files::lock(dir)).ok()??;
    metadata.modified().ok()
}
