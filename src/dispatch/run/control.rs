//! What people want of a run: lines that anybody appends, and who has the run takes up in order,
//! each once.

use std::time::Duration;

use super::{Replayed, RunDir};
use crate::domain::dispatch::control::{self, Consequences, Control};
use crate::domain::dispatch::{Event, RunState};
use crate::domain::{Error, Result};
use crate::sys::clock;
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// Appending a line takes no time: who waits longer waits for a process that was stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It holds: there was no dispatcher, so it was done there and then.
    Done,
    /// The dispatcher (its pid, if that can be seen) takes it up at once.
    ToDispatcher(Option<u32>),
    /// It is done when the run goes on.
    WhenItGoesOn,
}

/// Says what somebody wants of a run. The wish itself is not checked against its tasks.
pub fn submit(run: &RunDir, wish: &Control) -> Result<Submitted> {
    let mut line = serde_json::to_vec(wish)
        .map_err(|error| Error::failed(format!("cannot write down the wish: {error}")))?;
    line.push(b'\n');
    let _appending = silence(run)?;
    fs::append_line(&run.control(), &line)?;
    match run.try_take()? {
        Some(_taken) => take_up_alone(run),
        None => Ok(Submitted::ToDispatcher(run.dispatcher())),
    }
}

/// As long as this is held nobody says anything, and nobody has the run only for that. Who has it never
/// waits for the run itself.
pub fn silence(run: &RunDir) -> Result<FileLock> {
    let lock = FileLock::acquire(&run.control_lock(), PATIENCE, &mut || {})?;
    lock.map_err(|busy| Error::LockTimeout {
        resource: format!("the wishes of run {}", run.name()),
        holder: busy.holder.map(crate::store::locks::named),
        waited: busy.waited,
    })
}

/// Nobody else has the run: what is wanted becomes events here. A file that is to be
/// read waits for the next dispatcher, and so does what was said after that.
fn take_up_alone(run: &RunDir) -> Result<Submitted> {
    let mut replayed = Replayed::load(run, &mut |_, _, _| {})?;
    let before = replayed.state.run().controls;
    let wishes = pending(run, before)?;
    let now = clock::now();
    let (mut taken, mut whole) = (before, true);
    for wish in &wishes {
        let follows = wish.consequences(&replayed.state);
        if follows.add.is_some() {
            break;
        }
        for event in follows.events {
            replayed.add(event, now);
        }
        // Whoever goes on with the run ends what is still at work.
        whole &= follows.stop.is_empty();
        taken += 1;
    }
    if taken > before {
        replayed.add(Event::ControlTaken { lines: taken }, now);
        replayed.log.write()?;
    }
    Ok(match whole && taken - before == wishes.len() as u64 {
        true => Submitted::Done,
        false => Submitted::WhenItGoesOn,
    })
}

/// A line of `control.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// What is wanted.
    Known(Control),
    /// A line that says nothing that is known here.
    Unknown(String),
}

impl Wish {
    /// What follows from it for a run that stands so.
    pub fn consequences(&self, state: &RunState) -> Consequences {
        match self {
            Self::Known(wish) => control::consequences(state, wish),
            Self::Unknown(line) => Consequences {
                events: vec![Event::Warning {
                    text: format!("control.jsonl has a line that says nothing known: {line}"),
                }],
                ..Consequences::default()
            },
        }
    }
}

/// The lines after the first `taken`.
pub fn pending(run: &RunDir, taken: u64) -> Result<Vec<Wish>> {
    let bytes = fs::read_if_there(&run.control())?.unwrap_or_default();
    let Some(whole) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(Vec::new());
    };
    let lines = bytes[..whole].split(|byte| *byte == b'\n');
    let lines = lines.skip(usize::try_from(taken).unwrap_or(usize::MAX));
    Ok(lines
        .map(|line| match serde_json::from_slice(line) {
            Ok(wish) => Wish::Known(wish),
            Err(_) => Wish::Unknown(String::from_utf8_lossy(line).into_owned()),
        })
        .collect())
}
