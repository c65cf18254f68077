//! What drives one engine's client for one attempt.

use std::fs::File;

use crate::domain::Result;
use crate::domain::dispatch::outcome::Outcome;

/// How it is with a runner.
#[derive(Debug, Clone, PartialEq)]
pub enum Presence {
    /// The engine has nothing under its name.
    Absent,
    /// It runs, or is about to.
    Running,
    /// It has ended: nothing of it runs.
    Ended(Outcome),
}

/// What has come of handing a runner over.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// The engine has it.
    Yes,
    /// It has not, for this reason.
    No(Outcome),
    /// That is not known: it is looked for, and if it is not there, this is why.
    InDoubt(Outcome),
}

/// Drives the engine's client for one attempt, whose order it was made with. Each call is bounded in
/// time but [`Driver::follow`], and each ends early when this process gets a termination signal.
pub trait Driver {
    /// Hands the runner over, or finds it there already under its name.
    fn begin(&self) -> Begun;

    /// How it is with it. Fails if the engine does not answer: it may run then.
    fn look(&self) -> Result<Presence>;

    /// Copies its whole output into `log`, from the beginning of both: what is there already is written
    /// once more as it is. Returns when the runner has ended, when the engine does not answer any more,
    /// or when this process gets a termination signal; true if all of the output is there.
    fn follow(&self, log: &File) -> bool;

    /// Has it end: asks it, and kills it after ten seconds, or at once if `now`. Returns when that is
    /// done.
    fn end(&self, now: bool) -> Result<()>;

    /// Takes away what the engine keeps of a runner that has ended, and what it made for it.
    fn remove(&self) -> Result<()>;
}
