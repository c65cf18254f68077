//! How a job has ended: by its own word, or by the engine's.

use std::time::Duration;

use super::Asked;
use super::Jobs;
use crate::dispatch::driven::driver::Presence;
use crate::domain::Result;
use crate::domain::dispatch::EndClass;
use crate::domain::dispatch::agents::exec::answer::{Seen, State};
use crate::domain::dispatch::exit::{Exit, class};
use crate::domain::dispatch::outcome::Outcome;
use crate::sys::clock;

impl Jobs<'_> {
    /// Whether it has been over for so long that nothing more is to be seen of it.
    pub(super) fn is_settled(&self) -> bool {
        let now = clock::now();
        self.note(|known| {
            // One that is still to come was told by a clock that was wrong.
            let over = known.over.get_or_insert(now);
            *over = (*over).min(now);
        });
        let over = self.known.borrow().over;
        let age = over.and_then(|over| Duration::try_from(now.duration_since(over)).ok());
        age.is_some_and(|age| age >= self.exec.exit_wait)
    }

    /// An end that its script has written down. The engine is to have let go of it, too.
    pub(super) fn written_down(&self, code: i32) -> Presence {
        let asked = self.poll();
        let settled = self.is_settled();
        match asked {
            Ok(Asked::Seen(seen)) if seen.state.is_end() => {
                let engine = seen.state.class().filter(|_| code != 0);
                // Whoever is gone by now has ended before.
                let engine = engine.filter(|class| *class != EndClass::Lost);
                Presence::Ended(self.outcome(Some(code), engine, &seen.word))
            }
            _ if settled => Presence::Ended(self.outcome(Some(code), None, "")),
            Ok(Asked::None | Asked::NoId) => Presence::Ended(self.outcome(Some(code), None, "")),
            Ok(Asked::Seen(_)) | Err(_) => Presence::Running,
        }
    }

    /// An end of which only the engine knows.
    pub(super) fn over(&self, seen: &Seen) -> Result<Presence> {
        let gone = seen.state == State::Gone;
        // An engine may take its time to know a job.
        if gone && !self.is_settled() {
            return Ok(Presence::Running);
        }
        let script = self.exec.has_script();
        if script && self.files.call_off()? {
            let evicted = (seen.state == State::Evicted).then_some(EndClass::Evicted);
            let outcome = Outcome::of(
                evicted.unwrap_or(EndClass::Infra),
                format!(
                    "{} was over before its command had begun: {}",
                    self.job(),
                    seen.word
                ),
            );
            self.note(|known| known.outcome = Some(outcome.clone()));
            return Ok(Presence::Ended(outcome));
        }
        // What the script has written may take its time to be seen.
        if script && !self.is_settled() {
            return Ok(Presence::Running);
        }
        let code = seen.code.filter(|code| *code != 0);
        let (code, class) = match seen.state {
            // The word may be for its being over alone.
            State::Done => (code.or(Some(0)), None),
            State::Failed => (code, class_of(code)),
            state => (code, state.class()),
        };
        Ok(Presence::Ended(self.outcome(code, class, &seen.word)))
    }

    fn job(&self) -> String {
        let known = self.known.borrow();
        known
            .job
            .as_ref()
            .map_or_else(|| "its job".to_owned(), |job| format!("job {job}"))
    }

    pub(super) fn outcome(
        &self,
        code: Option<i32>,
        class: Option<EndClass>,
        word: &str,
    ) -> Outcome {
        let cause = self.known.borrow().cause.clone();
        if cause.is_some() {
            let exit = Exit {
                cause,
                ..Exit::default()
            };
            let end = exit.end();
            return Outcome {
                code,
                class: Some(end.class),
                reason: end.reason,
                ..Outcome::default()
            };
        }
        let lost = class == Some(EndClass::Lost);
        let reason = match (lost, class.is_some() || code.is_none()) {
            (true, _) => Some(format!(
                "the engine knows nothing of {} any more: {word}",
                self.job()
            )),
            (false, true) => Some(format!(
                "the engine says that {} is over: {word}",
                self.job()
            )),
            (false, false) => None,
        };
        Outcome {
            code,
            class,
            reason,
            ..Outcome::default()
        }
    }
}

/// A code that says nothing by itself leaves it at a failure.
fn class_of(code: Option<i32>) -> Option<EndClass> {
    match code {
        Some(code) => Some(class(Some(code), None, false)),
        None => Some(EndClass::Failure),
    }
}
