//! A pod's output, brought to the attempt's `log` while it runs, and what is left of it at its end.
//!
//! `log.position` says how far the log goes: a later dispatcher cuts off what is behind that, and goes on
//! from there. So every line is there once, as long as the node keeps it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kubectl::{Cluster, Done};
use super::watch::Watch;
use crate::domain::Result;
use crate::domain::dispatch::kubernetes::log::{Lines, Position};
use crate::sys::clock::{Deadline, Stopwatch};
use crate::sys::fs::{self, Durability};
use crate::sys::signals;

/// So many logs are followed at a time: each takes a process. The others are fetched now and then, one
/// after the other.
const MOST: usize = 16;
/// The time between two times that one is fetched.
const ROUND: Duration = Duration::from_secs(3);
/// The time between two tries to follow a log.
const PAUSE: Duration = Duration::from_secs(2);
/// Who follows has what had come before after so long.
const SETTLED: Duration = Duration::from_secs(5);
/// How often the position is written down.
const POSITION: Duration = Duration::from_secs(1);
/// How long is waited for who follows to notice the end.
const LAST_LINES: Duration = Duration::from_secs(5);

/// How far a log goes.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// In bytes.
    length: u64,
    /// In lines of the pod.
    position: Position,
}

/// What for a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ToFollow,
    ToFetch,
    AtTheEnd,
}

/// The log of one attempt.
#[derive(Debug)]
pub struct Output {
    dir: PathBuf,
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Nobody needs to follow any more.
    over: AtomicBool,
}

#[derive(Debug)]
struct State {
    file: File,
    lines: Lines,
    length: u64,
    /// Whose bytes count: who asks again takes over.
    reader: u64,
    following: bool,
    /// It was followed to an end of its own.
    whole: bool,
    /// Since when nothing has come.
    last: Stopwatch,
    heard: Heard,
    noted: Deadline,
}

/// How it is known that nothing has come.
#[derive(Debug, Clone, Copy)]
enum Heard {
    /// It is not.
    Nothing,
    /// When somebody listened last, nothing had come for so long.
    Then(Duration),
    /// Somebody listens since then, when nothing had come for so long.
    Since(Stopwatch, Duration),
}

/// How many are followed now, and whose turn it is of the others.
#[derive(Debug, Default)]
pub struct Followed {
    count: Mutex<usize>,
    turn: Mutex<()>,
}

/// One of the places of those that are followed.
struct Place<'a>(&'a Followed);

impl Followed {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one left.
    fn place(&self) -> Option<Place<'_>> {
        let mut count = self.count();
        (*count < MOST).then(|| {
            *count += 1;
            Place(self)
        })
    }

    /// Waits until no other is fetched.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.count() -= 1;
    }
}

fn log(dir: &Path) -> PathBuf {
    dir.join("log")
}

impl Output {
    /// Opens it where it ends.
    pub fn open(dir: &Path, limit: u64) -> Result<Self> {
        let position = fs::read_if_there(&dir.join("log.position"))?;
        let written = position.and_then(|bytes| serde_json::from_slice::<Written>(&bytes).ok());
        let file = fs::open_log(&log(dir))?;
        let length = written.as_ref().map_or(0, |written| written.length);
        fs::cut(&log(dir), length)?;
        let lines = written.map(|written| Lines::at(written.position));
        Ok(Self {
            dir: dir.to_owned(),
            limit,
            state: Mutex::new(State {
                file,
                lines: lines.unwrap_or_default(),
                length,
                reader: 0,
                following: false,
                whole: false,
                last: Stopwatch::start(),
                heard: Heard::Nothing,
                noted: Deadline::after(POSITION),
            }),
            changed: Condvar::new(),
            over: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is more than there may be.
    pub fn is_too_much(&self) -> bool {
        self.state().length > self.limit
    }

    /// For how long nothing has come; none if nobody would notice.
    pub fn silent_for(&self) -> Option<Duration> {
        self.state().silence()
    }

    /// Follows the log of a pod in a thread until [`Self::end`], or fetches it now and then while too many
    /// others are followed; whether there is such a thread. Who waits is called when there is too much.
    pub fn follow(
        self: &Arc<Self>,
        cluster: &Cluster,
        pod: &str,
        followed: &Arc<Followed>,
        watch: &Arc<Watch>,
    ) -> bool {
        let (output, cluster, pod) = (Arc::clone(self), cluster.clone(), pod.to_owned());
        let (watch, followed) = (Arc::clone(watch), Arc::clone(followed));
        let thread = std::thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || {
            let _shield = signals::shield();
            while !output.over.load(Ordering::SeqCst) {
                let pause = if let Some(_place) = followed.place() {
                    output.hear(&cluster, &pod, &watch);
                    PAUSE
                } else {
                    let _turn = followed.turn();
                    output.look(&cluster, &pod, &watch);
                    ROUND
                };
                output.wait_for_the_end(pause);
            }
        });
        thread.is_ok()
    }

    /// Whether what comes is there at once.
    pub fn is_followed(&self) -> bool {
        self.state().following
    }

    /// Follows it as long as that goes.
    fn hear(&self, cluster: &Cluster, pod: &str, watch: &Watch) {
        {
            let mut state = self.state();
            state.following = true;
            let before = state.known();
            state.heard = Heard::Since(Stopwatch::start(), before);
        }
        let done = self.read(cluster, pod, Asked::ToFollow, &|| watch.call());
        {
            let mut state = self.state();
            state.following = false;
            state.heard = match (&done, state.silence()) {
                (Ok(_), Some(silence)) => Heard::Then(silence),
                _ => Heard::Nothing,
            };
        }
        self.changed.notify_all();
        if let Ok(true) = done {
            // The container has come to its end, or a proxy or a node has put one to its log.
            watch.expect();
        }
    }

    /// Fetches what there is by now.
    fn look(&self, cluster: &Cluster, pod: &str, watch: &Watch) {
        let asked = Stopwatch::start();
        self.state().known();
        let done = self.read(cluster, pod, Asked::ToFetch, &|| watch.call());
        let mut state = self.state();
        // More may have come since.
        let silence = state.last.elapsed().saturating_sub(asked.elapsed());
        state.heard = match done {
            Ok(_) => Heard::Then(silence),
            Err(_) => Heard::Nothing,
        };
    }

    /// Reads what is there, or what comes until its end.
    fn read(&self, cluster: &Cluster, pod: &str, asked: Asked, full: &dyn Fn()) -> Done<bool> {
        let follow = asked == Asked::ToFollow;
        let (reader, since) = {
            let mut state = self.state();
            if asked != Asked::AtTheEnd && self.over.load(Ordering::SeqCst) {
                // Who brings the rest is not to be disturbed.
                return Ok(false);
            }
            state.reader += 1;
            state.lines.begin();
            (state.reader, state.lines.since())
        };
        let mut take = |bytes: &[u8]| {
            let mut state = self.state();
            if state.reader == reader && state.length <= self.limit {
                let new = state.lines.take(bytes);
                self.add(&mut state, &new);
                if state.length > self.limit {
                    full();
                }
            }
        };
        let done = cluster.logs(pod, since, follow, &mut take);
        let mut state = self.state();
        match &done {
            Ok(ended) => state.whole |= follow && *ended,
            // Who is gone writes no more.
            Err(trouble) if trouble.lasts() => {}
            Err(_) => state.whole = false,
        }
        self.note(&state);
        done
    }

    fn add(&self, state: &mut State, new: &[u8]) {
        if new.is_empty() {
            return;
        }
        state.last = Stopwatch::start();
        state.write(new);
        if state.noted.passed() {
            self.note(state);
            state.noted = Deadline::after(POSITION);
        }
    }

    fn note(&self, state: &State) {
        let written = Written {
            length: state.length,
            position: state.lines.position().clone(),
        };
        if let Ok(text) = serde_json::to_vec(&written) {
            let path = self.dir.join("log.position");
            let _ = fs::write_atomic(&path, &text, Durability::RenameOnly);
        }
    }

    fn wait_for_the_end(&self, time: Duration) {
        let deadline = Deadline::after(time);
        let mut state = self.state();
        while let (Some(left), false) = (deadline.remaining(), self.over.load(Ordering::SeqCst)) {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Brings what is there by now, as far as it is not: nobody else does any more, or not in time.
    pub fn fetch(&self, cluster: &Cluster, pod: &str) -> Done<()> {
        self.read(cluster, pod, Asked::AtTheEnd, &|| ()).map(drop)
    }

    /// The pod has ended: nobody follows anew, and who follows is waited for. Whether that has brought
    /// all there is.
    pub fn end(&self) -> bool {
        self.over.store(true, Ordering::SeqCst);
        self.changed.notify_all();
        let deadline = Deadline::after(LAST_LINES);
        let mut state = self.state();
        while let (Some(left), true) = (deadline.remaining(), state.following) {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.whole
    }

    /// Nothing more comes: writes what there is of a last line without an end, and cuts off what is over
    /// the limit.
    pub fn close(&self) {
        let mut state = self.state();
        // Nobody else writes any more.
        state.reader += 1;
        let new = state.lines.finish();
        state.write(&new);
        if state.length > self.limit {
            let _ = state.file.set_len(self.limit);
        }
    }
}

impl State {
    /// For how long nothing has come; none if nobody would have noticed.
    fn silence(&self) -> Option<Duration> {
        let elapsed = self.last.elapsed();
        match self.heard {
            Heard::Nothing => None,
            Heard::Then(silence) => Some(silence),
            // What has come before comes only now.
            Heard::Since(start, before) if start.elapsed() < SETTLED => Some(before.min(elapsed)),
            Heard::Since(..) => Some(elapsed),
        }
    }

    /// The same for somebody who begins to listen.
    fn known(&mut self) -> Duration {
        self.silence().unwrap_or_else(|| {
            self.last = Stopwatch::start();
            Duration::ZERO
        })
    }

    /// What can't be written is lost, as it is if the disk is full for a process that writes itself.
    fn write(&mut self, new: &[u8]) {
        if self.file.write_all(new).is_ok() {
            self.length += new.len() as u64;
        }
    }
}
