//! Asking something of a run, whether a dispatcher works on it or not.

use super::shown;
use crate::commands::session::Session;
use crate::dispatch::run::control::{self, Submitted};
use crate::dispatch::run::{RunDir, Seen};
use crate::domain::Result;
use crate::domain::dispatch::control::Control;
use crate::domain::outcome::{AskedEffect, AskedView};
use crate::report::output::unless_closed;

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
    let resume = shown::resume(seen);
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
