//! The driver: the process that a keeper runs in the place of the command, for as long as the runner is
//! with its engine.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::driver::{Begun, Driver, Presence};
use super::order::Order;
use super::{driver_of, record};
use crate::dispatch::local;
use crate::domain::Result;
use crate::domain::dispatch::EndClass;
use crate::domain::dispatch::outcome::Outcome;
use crate::sys::{clock, fs, signals};

/// The first word of a driver's command line.
pub const WORD: &str = "dispatch-driver";

/// The times between two looks at an engine that does not answer.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether the word is that of a driver.
pub fn is_driver(word: Option<&OsStr>) -> bool {
    word == Some(OsStr::new(WORD))
}

/// The life of a driver: its words are the attempt's directory. True if the outcome is written.
pub fn run(words: &[OsString]) -> bool {
    let [dir] = words else {
        return false;
    };
    let dir = PathBuf::from(dir);
    let order = signals::install(&signals::usual())
        .ok()
        .and_then(|()| Order::read(&dir).ok().flatten());
    let Some(order) = order else {
        return false;
    };
    let outcome = driver_of(&order).and_then(|driver| drive(&*driver, &order));
    record::tell_trouble(&dir, None);
    outcome.is_ok_and(|outcome| write(&dir, &outcome))
}

/// A full disk may be emptied. If it is not, the engine still knows the outcome.
fn write(dir: &Path, outcome: &Outcome) -> bool {
    let mut pause = PAUSE;
    loop {
        if record::write(dir, outcome).is_ok() {
            return true;
        }
        if clock::pause(pause).is_err() || pause > LONGEST_PAUSE {
            return false;
        }
        pause *= 2;
    }
}

/// Sees to the runner until it has ended.
fn drive(driver: &dyn Driver, order: &Order) -> Result<Outcome> {
    let log = fs::open_output(&order.dir.join("log"))?;
    let mut absent = Outcome::of(EndClass::Infra, "somebody has removed it while it ran");
    let mut presence = None;
    if order.taken_up == 0 {
        match driver.begin() {
            Begun::Yes => presence = Some(Presence::Running),
            Begun::No(outcome) => return Ok(outcome),
            Begun::InDoubt(outcome) => absent = outcome,
        }
        // It is not known any better to who comes after a driver that could not write it down.
        let _ = order.with_time().write();
        local::has_begun(&order.dir);
    }
    let mut asked = 0;
    let mut whole = false;
    let mut pause = PAUSE;
    loop {
        if signals::received().is_some() {
            signals::acknowledge();
            asked += 1;
        }
        let done = match presence.take().map_or_else(|| driver.look(), Ok) {
            Ok(Presence::Absent) => return Ok(absent),
            Ok(Presence::Ended(outcome)) => {
                if !whole {
                    driver.follow(&log);
                }
                return Ok(outcome);
            }
            Ok(Presence::Running) if asked > 0 => driver.end(asked > 1).map(|()| true),
            Ok(Presence::Running) => {
                record::tell_trouble(&order.dir, None);
                whole = driver.follow(&log);
                Ok(whole)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &done
            && signals::received().is_none()
        {
            whole = false;
            record::tell_trouble(&order.dir, Some(&error.reason()));
        }
        match done {
            Ok(true) => pause = PAUSE,
            // After a signal, which is seen above, it goes on at once.
            _ => {
                let _ = clock::pause(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
