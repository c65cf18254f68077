//! Asking something of a run, whether a dispatcher works on it or not.

use super::shown;
use crate::cli::RunName;
use crate::commands::session::Session;
use crate::dispatch::run::control::{self, Submitted};
use crate::dispatch::run::{RunDir, Seen};
use crate::domain::dispatch::advice::of_run;
use crate::domain::dispatch::control::Control;
use crate::domain::outcome::{AskedEffect, AskedView};
use crate::domain::{Error, Result};
use crate::report::output::unless_closed;

/// The run that something is asked of, as it stands.
///
/// # Errors
/// If nothing will ever go on with it.
pub fn find(session: &Session, name: &RunName) -> Result<(RunDir, Seen)> {
    let run = shown::find(session, name)?;
    let seen = run.read()?;
    match run.replaced_by(&seen.document.files) {
        None => Ok((run, seen)),
        Some(next) => {
            let error = Error::failed(shown::aside(run.name(), next));
            Err(error.with_hint(format!("`{}` shows that one", of_run(next, "status", &[]))))
        }
    }
}

/// Asks for it, and says when it takes effect. `goes_on`: whether there may be more to run then.
pub fn ask(
    session: &Session,
    run: &RunDir,
    seen: &Seen,
    wishes: &[Control],
    goes_on: bool,
) -> Result<u8> {
    let mut last = Submitted::Done;
    for wish in wishes {
        last = control::submit(run, wish)?;
    }
    let (effect, dispatcher_pid) = match last {
        Submitted::Done => (AskedEffect::Done, None),
        Submitted::ToDispatcher(pid) => (AskedEffect::Told, pid),
        Submitted::WhenItGoesOn => (AskedEffect::WhenItGoesOn, None),
    };
    let output = &session.output;
    if output.is_json() {
        let asked = AskedView {
            run: run.name().to_owned(),
            effect,
            dispatcher_pid,
        };
        unless_closed(output.json("result", &asked))?;
        return Ok(0);
    }
    let resume = shown::resume(run, seen);
    match (effect, dispatcher_pid) {
        (AskedEffect::Told, Some(pid)) => output.note(&format!("dispatcher {pid} was told")),
        (AskedEffect::Told, None) => output.note("the dispatcher was told"),
        (AskedEffect::WhenItGoesOn, _) => {
            output.note(&format!("noted; `{resume}` goes on with the run"));
        }
        (AskedEffect::Done, _) if goes_on => {
            output.note(&format!("done; `{resume}` goes on with the run"));
        }
        (AskedEffect::Done, _) => output.note("done"),
    }
    Ok(0)
}
