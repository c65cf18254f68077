//! How the engine ends an attempt whose thread is at work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dispatch::launcher::{Job, Launcher};

/// How far an attempt is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Wanted {
    /// It is to go on.
    #[default]
    Run,
    /// It is not to start if it has not started.
    Hold,
    /// It is asked to end.
    Stop,
    /// It is ended by force.
    Kill,
}

/// The handle on an attempt that its thread shares with the engine.
#[derive(Debug, Default)]
pub struct Reins(Mutex<Harness>);

#[derive(Debug, Default)]
struct Harness {
    wanted: Wanted,
    running: Option<(Arc<Job>, String)>,
}

impl Reins {
    fn harness(&self) -> MutexGuard<'_, Harness> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the attempt: before it starts if it has not, else its runner.
    pub fn pull(&self, launcher: &dyn Launcher, wanted: Wanted) {
        let mut harness = self.harness();
        if wanted > harness.wanted {
            harness.wanted = wanted;
            if wanted >= Wanted::Stop
                && let Some((job, handle)) = &harness.running
            {
                launcher.stop(job, handle, wanted == Wanted::Kill);
            }
        }
    }

    /// Whether it is not to start.
    pub(super) fn are_pulled(&self) -> bool {
        self.harness().wanted > Wanted::Run
    }

    /// Whether it is to be over by now, at any price.
    pub(super) fn are_torn(&self) -> bool {
        self.harness().wanted == Wanted::Kill
    }

    /// From now on the runner itself is ended. One that was to be ended meanwhile is ended now.
    pub(super) fn attach(&self, launcher: &dyn Launcher, job: &Arc<Job>, handle: &str) {
        let mut harness = self.harness();
        harness.running = Some((Arc::clone(job), handle.to_owned()));
        if harness.wanted >= Wanted::Stop {
            launcher.stop(job, handle, harness.wanted == Wanted::Kill);
        }
    }

    pub(super) fn detach(&self) {
        self.harness().running = None;
    }
}
