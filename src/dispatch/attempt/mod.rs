//! One attempt of a task: a slot, a runner in it, and the slot given back. Effects only: what follows
//! from what is told here is decided elsewhere.
//!
//! An attempt has a thread of its own. It tells the engine what has become true, in the order in which
//! it became so; each of that can be found out again by a later dispatcher if this one is killed.

mod base;
mod branch;
mod environment;
mod slot;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::slot::{Held, NoSlot};
use super::launcher::{Found, Job, Launcher};
use super::run::RunDir;
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::{End, EndClass, Task};
use crate::domain::{Error, Result};
use crate::pool::Context;
use crate::sys::{clock, signals};

/// Why an attempt has not begun that was to be ended meanwhile.
const CALLED_OFF: &str = "it was to be ended before it had started";

/// The longest time between two looks at what has become of a runner.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What all attempts of a run work with.
pub struct Workshop<'a> {
    /// The workspace, git, the configuration.
    pub context: &'a Context<'a>,
    /// The run.
    pub run: RunDir,
    /// What holds for the whole run.
    pub rules: Rules,
    /// How many slots are being given back at this moment.
    pub returning: AtomicUsize,
}

/// What an attempt is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which attempt.
    pub id: AttemptId,
    /// The task.
    pub task: Task,
    /// The directory of its file.
    pub home: std::path::PathBuf,
    /// The name of its list of tasks.
    pub list: String,
    /// Where it runs.
    pub agent_pool: Arc<AgentPool>,
    /// The slot of its last attempt.
    pub prefer: Option<(Arc<str>, u32)>,
    /// What its dependencies left, in their order.
    pub deps: Vec<Left>,
    /// What an earlier dispatcher has done for it already.
    pub begun: Option<Begun>,
}

/// What an earlier dispatcher has done for an attempt.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// The slot it has.
    pub slot: Option<SlotRef>,
}

/// The commit that a task left, and its branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The task.
    pub task: String,
    /// The commit.
    pub commit: String,
    /// The branch.
    pub branch: String,
}

/// What an attempt tells the engine.
#[derive(Debug)]
pub enum Told {
    /// It has this slot.
    Slot(SlotRef),
    /// There is none to be had. It is over.
    NoSlot {
        /// The repository.
        pool: String,
        /// Why.
        reason: String,
    },
    /// A person has to decide something first. It is over.
    Question {
        /// What.
        question: String,
        /// The command that answers it.
        command: String,
    },
    /// Its runner runs.
    Started {
        /// What the launcher knows it by.
        handle: String,
    },
    /// Its runner runs since an earlier dispatcher.
    Adopted,
    /// What has become of its runner can't be told for now.
    Unseen(String),
    /// Its runner is there no more.
    Ended {
        /// How it ended.
        end: End,
        /// What it left: the commit and its branch.
        left: Option<(String, String)>,
    },
    /// Its slot is back.
    Returned(Returned),
    /// Its thread has nothing more to do.
    Over,
}

/// A slot that is back, or can't be brought back.
#[derive(Debug)]
pub struct Returned {
    /// Its id.
    pub slot_id: String,
    /// The work that was saved.
    pub rescue: Option<String>,
    /// Why it could not go back.
    pub error: Option<String>,
}

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
    fn harness(&self) -> std::sync::MutexGuard<'_, Harness> {
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
    fn are_pulled(&self) -> bool {
        self.harness().wanted > Wanted::Run
    }

    /// From now on the runner itself is ended. One that was to be ended meanwhile is ended now.
    fn attach(&self, launcher: &dyn Launcher, job: &Arc<Job>, handle: &str) {
        let mut harness = self.harness();
        harness.running = Some((Arc::clone(job), handle.to_owned()));
        if harness.wanted >= Wanted::Stop {
            launcher.stop(job, handle, harness.wanted == Wanted::Kill);
        }
    }

    fn detach(&self) {
        self.harness().running = None;
    }
}

/// One attempt at work.
pub struct Attempt<'a, 'w> {
    /// What all work with.
    pub workshop: &'w Workshop<'a>,
    /// What it is to do.
    pub plan: Plan,
    /// What runs its runner.
    pub launcher: Arc<dyn Launcher>,
    /// How it is ended.
    pub reins: Arc<Reins>,
    /// Whom it tells.
    pub tell: &'w dyn Fn(Told),
}

impl Attempt<'_, '_> {
    /// All of it, from the slot to the slot's return.
    pub fn run(&self) {
        // What is begun is brought to its end, whatever signals come; only a slot that can't be had
        // at once is given up.
        match self.held() {
            Ok(held) => {
                let _shield = signals::shield();
                self.work(held);
            }
            Err(NoSlot::None { pool, reason }) => (self.tell)(Told::NoSlot { pool, reason }),
            Err(NoSlot::Question { question, command }) => {
                (self.tell)(Told::Question { question, command });
            }
            Err(NoSlot::Failed(end)) => (self.tell)(Told::Ended { end, left: None }),
        }
        (self.tell)(Told::Over);
    }

    /// The slot, if the task has one.
    fn held(&self) -> std::result::Result<Option<Held<'_>>, NoSlot> {
        if let Some(begun) = &self.plan.begun {
            let slot = begun.slot.as_ref();
            return Ok(slot
                .map(|slot| Held::again(self.workshop, slot))
                .transpose()
                .unwrap_or_default());
        }
        let Some(repo) = self.plan.task.repo.clone() else {
            return Ok(None);
        };
        let held = slot::allocate(self.workshop, &self.plan, &repo)?;
        (self.tell)(Told::Slot(held.slot.clone()));
        Ok(Some(held))
    }

    fn work(&self, held: Option<Held<'_>>) {
        let end = match self.runner(held.as_ref()) {
            Ok(end) => end,
            Err(error) => failed(EndClass::Infra, &error),
        };
        let left = held.as_ref().and_then(|held| held.left());
        // Who gets the room of this one finds that its slot is about to come back.
        self.workshop.returning.fetch_add(1, Ordering::SeqCst);
        (self.tell)(Told::Ended { end, left });
        if let Some(held) = held {
            let returned = held.give_back();
            (self.tell)(Told::Returned(returned));
        }
        self.workshop.returning.fetch_sub(1, Ordering::SeqCst);
    }

    /// What has become of the runner. As long as that can't be told it may run, so nothing else can be
    /// said of it.
    fn find(&self, job: &Job) -> Found {
        let mut pause = Duration::from_secs(1);
        loop {
            match self.launcher.find(job) {
                Ok(found) => return found,
                Err(error) => (self.tell)(Told::Unseen(error.reason())),
            }
            // Signals come to the engine.
            let _ = clock::pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Starts the runner, or finds it, and waits for its end.
    fn runner(&self, held: Option<&Held<'_>>) -> Result<End> {
        let job = Arc::new(environment::job(self.workshop, &self.plan, held)?);
        let handle = match &self.plan.begun {
            None if self.reins.are_pulled() => {
                return Ok(not_started(CALLED_OFF));
            }
            None => {
                let handle = self.launcher.start(&job)?;
                (self.tell)(Told::Started {
                    handle: handle.clone(),
                });
                handle
            }
            Some(_) => match self.find(&job) {
                Found::Running(handle) => {
                    (self.tell)(Told::Adopted);
                    handle
                }
                Found::Ended(end) => return Ok(end),
                Found::NotStarted => {
                    return Ok(not_started("its dispatcher was gone before it had started"));
                }
                Found::Gone => return Ok(lost()),
            },
        };
        self.reins.attach(&*self.launcher, &job, &handle);
        let end = self.launcher.wait(&job, &handle);
        self.reins.detach();
        self.launcher.remove(&job);
        Ok(end)
    }
}

/// Gives back the slot of an attempt whose end is known: a dispatcher was killed in between.
pub fn give_back(workshop: &Workshop<'_>, slot: &SlotRef) -> Returned {
    let _shield = signals::shield();
    match Held::again(workshop, slot) {
        Ok(held) => held.give_back(),
        Err(error) => Returned {
            slot_id: slot.id(),
            rescue: None,
            error: Some(error.to_string()),
        },
    }
}

/// An end without a runner.
pub fn failed(class: EndClass, error: &Error) -> End {
    End {
        class,
        exit_code: None,
        signal: None,
        reason: Some(error.reason()),
        seconds: 0.0,
    }
}

/// Such an attempt does not count.
fn not_started(reason: &str) -> End {
    End {
        class: EndClass::Stopped,
        exit_code: None,
        signal: None,
        reason: Some(reason.to_owned()),
        seconds: 0.0,
    }
}

fn lost() -> End {
    End {
        class: EndClass::Lost,
        exit_code: None,
        signal: None,
        reason: Some("it is gone without a trace of its end".to_owned()),
        seconds: 0.0,
    }
}
