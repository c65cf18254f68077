//! What a server does wrong: tests switch it on and off.

use super::http::Request;
use std::sync::{Condvar, Mutex, MutexGuard};

/// How a request is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status and nothing is done.
    Status(u16),
    /// It waits until the fault is lifted.
    Hold,
    /// What it asks for is done, and the connection ends before the answer.
    LoseAnswer,
    /// An answer that would go on ends with what there is.
    EndEarly,
}

/// The faults that are on.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    on: Vec<On>,
    holds: usize,
    over: bool,
}

struct On {
    what: String,
    fault: Fault,
    /// For so many requests more.
    left: usize,
}

impl Faults {
    /// From now on, for so many requests whose method and path begin and contain this:
    /// `"POST jobs"`, `"GET "`, `""`.
    pub fn add(&self, what: &str, fault: Fault, times: usize) {
        let what = what.to_owned();
        let left = times;
        self.state().on.push(On { what, fault, left });
    }

    /// No faults any more; what was held goes on.
    pub fn lift(&self) {
        self.state().on.clear();
        self.changed.notify_all();
    }

    /// Nothing is held any more.
    pub fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// For how many requests more something is wrong.
    pub fn left(&self) -> usize {
        self.state().on.iter().map(|on| on.left).sum()
    }

    /// How many requests are held.
    pub fn holds(&self) -> usize {
        self.state().holds
    }

    /// What is wrong with this request, after it was held if it is to be.
    pub fn of(&self, request: &Request) -> Option<Fault> {
        let mut state = self.state();
        let found = state.take(&request.line());
        if found != Some(Fault::Hold) {
            return found;
        }
        state.holds += 1;
        let line = request.line();
        while !state.over && state.holds_up(&line) {
            state = self.changed.wait(state).expect("the faults");
        }
        state.holds -= 1;
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the faults")
    }
}

impl State {
    fn take(&mut self, line: &str) -> Option<Fault> {
        let on = self
            .on
            .iter_mut()
            .find(|on| on.left > 0 && on.is_for(line))?;
        on.left -= 1;
        Some(on.fault)
    }

    fn holds_up(&self, line: &str) -> bool {
        let mut held = self.on.iter().filter(|on| on.fault == Fault::Hold);
        held.any(|on| on.is_for(line))
    }
}

impl On {
    fn is_for(&self, line: &str) -> bool {
        let (method, rest) = self.what.split_once(' ').unwrap_or(("", &self.what));
        line.starts_with(method) && line.contains(rest)
    }
}
