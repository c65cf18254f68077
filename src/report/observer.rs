//! What operations say of themselves on the way, on its way to the terminal.

use super::output::Output;
use super::progress::Bar;
use crate::domain::progress::{Observer, Step, StepObserver};

/// Operations report through this: bars where they are drawn, lines of `-v` where not.
impl Observer for Output {
    fn begin(&self, what: Step<'_>) -> Box<dyn StepObserver + '_> {
        if self.progress().is_hidden() {
            self.detail(&match what {
                Step::Clone(pool) => format!("cloning pool {pool}"),
                Step::Fetch(pool) => format!("fetching pool {pool}"),
                Step::Slot(slot) => format!("making {slot}"),
                Step::SetUp(slot) => format!("setting up {slot}"),
            });
        }
        Box::new(self.progress().bar(what))
    }

    fn note(&self, text: &str) {
        Output::note(self, text);
    }

    fn warn(&self, text: &str) {
        Output::warn(self, text);
    }
}

impl StepObserver for Bar {
    fn git_progress(&mut self, bytes: &[u8]) {
        self.feed(bytes);
    }

    fn done(&mut self) {
        self.finish("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::output::Options;
    use crate::report::stream::Captured;

    #[test]
    fn steps_may_be_watched_from_many_threads() {
        let err = Captured::default();
        let output = Output::to_writers(
            Options {
                verbosity: 1,
                ..Options::default()
            },
            Box::new(std::io::sink()),
            Box::new(err.clone()),
            None,
        );
        let observer: &dyn Observer = &output;
        std::thread::scope(|scope| {
            for slot in ["p/slot1", "p/slot2"] {
                scope.spawn(move || {
                    let mut step = observer.begin(Step::Slot(slot));
                    step.git_progress(b"Updating files:  50% (1/2)\r");
                    step.done();
                });
            }
        });
        let said = err.text();
        assert!(said.contains("making p/slot1\n") && said.contains("making p/slot2\n"));
    }
}
