//! One attempt of a task: a slot, a runner in it, and the slot given back. Effects only: what follows
//! from what is told here is decided elsewhere.
//!
//! An attempt has a thread of its own. It tells the engine what has become true, in the order in which
//! it became so; each of that can be found out again by a later dispatcher if this one is killed.

mod away;
mod base;
mod branch;
mod ends;
mod environment;
mod left;
pub mod place;
mod reins;
mod returns;
mod slot;
mod taken;

use std::sync::Arc;
use std::time::Duration;

pub use self::ends::failed;
use self::ends::{CALLED_OFF, broken, lost, not_started};
pub use self::reins::{Reins, Wanted};
pub use self::returns::Returns;
use self::slot::{Held, NoSlot};
use super::driven;
use super::launcher::{Found, Job, Launcher, Pushed};
use super::run::RunDir;
use crate::domain::Result;
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::{End, EndClass, Task};
use crate::pool::Context;
use crate::sys::clock::{self, Stopwatch};
use crate::sys::signals;

/// The longest time between two looks at what has become of a runner.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time between the first two of them.
const LOOKS_AGAIN: Duration = Duration::from_secs(1);

/// What all attempts of a run work with.
pub struct Workshop<'a> {
    /// The workspace, git, the configuration.
    pub context: &'a Context<'a>,
    /// The run.
    pub run: RunDir,
    /// What holds for the whole run.
    pub rules: Rules,
    /// The slots that are being given back at this moment.
    pub returns: Returns,
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
    /// The commit that was left last on its branch, if it shares that with others.
    pub onto: Option<String>,
    /// Whether it may wait for a slot if none is free.
    pub may_wait: bool,
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
        /// Its branch, if that is what it can't have.
        branch: Option<String>,
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
    /// What is to be known of its runner, which goes on; none: nothing any more.
    Noted(Option<String>),
    /// What has become of its runner can't be told for now.
    Unseen(String),
    /// Something of its runner could not be cleared away.
    Left(String),
    /// It has left work here that its branch does not have.
    Astray(String),
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
    /// Whether the task has it as before, with its branch and all that is in it.
    pub is_kept: bool,
}

/// Where the files of an attempt are.
enum Site<'a> {
    /// It has none.
    None,
    /// In a slot.
    Slot(Box<Held<'a>>),
    /// Elsewhere.
    Away(Box<away::Elsewhere<'a>>),
}

impl<'a> Site<'a> {
    fn held(&self) -> Option<&Held<'a>> {
        match self {
            Self::Slot(held) => Some(held),
            _ => None,
        }
    }

    fn away(&self) -> Option<&away::Elsewhere<'a>> {
        match self {
            Self::Away(elsewhere) => Some(elsewhere),
            _ => None,
        }
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
        match self.site() {
            Ok(site) => {
                let _shield = signals::shield();
                self.work(site);
            }
            Err(NoSlot::None {
                pool,
                branch,
                reason,
            }) => (self.tell)(Told::NoSlot {
                pool,
                branch,
                reason,
            }),
            Err(NoSlot::Question { question, command }) => {
                (self.tell)(Told::Question { question, command });
            }
            Err(NoSlot::Failed(end)) => (self.tell)(Told::Ended { end, left: None }),
        }
        (self.tell)(Told::Over);
    }

    /// Where its files are: had now, or by an earlier dispatcher.
    fn site(&self) -> std::result::Result<Site<'_>, NoSlot> {
        if let Some(begun) = &self.plan.begun {
            return Ok(self.site_again(begun));
        }
        let Some(repo) = self.plan.task.repo.clone() else {
            return Ok(Site::None);
        };
        let ground = self.launcher.ground();
        if ground.is_away() {
            let elsewhere = away::prepare(self.workshop, &self.plan, &repo)?;
            return Ok(Site::Away(Box::new(elsewhere)));
        }
        let held = slot::allocate(self.workshop, &self.plan, &repo, ground)?;
        (self.tell)(Told::Slot(held.slot.clone()));
        Ok(Site::Slot(Box::new(held)))
    }

    fn site_again(&self, begun: &Begun) -> Site<'_> {
        if let Some(slot) = &begun.slot {
            let held = Held::again(self.workshop, slot);
            return held.map_or(Site::None, |held| Site::Slot(Box::new(held)));
        }
        let elsewhere = away::again(self.workshop, &self.plan).ok().flatten();
        elsewhere.map_or(Site::None, |elsewhere| Site::Away(Box::new(elsewhere)))
    }

    fn work(&self, site: Site<'_>) {
        let (end, left) = match self.runner(&site) {
            Ok(Some((end, pushed))) => self.left(&site, end, &pushed),
            // It stays as it is for the next dispatcher, its slot too.
            Ok(None) => return,
            Err(error) => (failed(broken(&error), &error), None),
        };
        // Who gets the room of this one finds that its slot is about to come back.
        let returns = &self.workshop.returns;
        let returning = site.held().map(|held| returns.begin(&held.slot.pool));
        (self.tell)(Told::Ended { end, left });
        match site {
            Site::Slot(held) => {
                let returned = held.give_back();
                drop(returning);
                (self.tell)(Told::Returned(returned));
            }
            Site::Away(elsewhere) => elsewhere.tidy(),
            Site::None => {}
        }
    }

    /// What it has left. The work of a task that is done has to be here: others may start from it.
    fn left(&self, site: &Site<'_>, end: End, pushed: &Pushed) -> (End, Option<(String, String)>) {
        match site {
            Site::None => (end, None),
            Site::Slot(held) => {
                let work = held.left();
                work.astray
                    .into_iter()
                    .for_each(|place| (self.tell)(Told::Astray(place)));
                (end, work.commit)
            }
            Site::Away(elsewhere) => match elsewhere.left(pushed) {
                Ok(left) => (end, left),
                Err(error) if end.class == EndClass::Done => {
                    let reason = format!("what it has pushed can't be fetched: {}", error.reason());
                    let class = EndClass::Infra;
                    let reason = Some(reason);
                    (
                        End {
                            class,
                            reason,
                            ..end
                        },
                        None,
                    )
                }
                Err(_) => (end, None),
            },
        }
    }

    /// What has become of the runner. As long as that can't be told it may run, so nothing else can be
    /// said of it; none if nobody waits for that any more.
    fn find(&self, job: &Job) -> Option<Found> {
        let mut pause = LOOKS_AGAIN;
        let mut said = String::new();
        loop {
            let is_last = self.reins.are_torn();
            match self.launcher.find(job) {
                Ok(found) => return Some(found),
                Err(error) => {
                    let reason = error.reason();
                    if said != reason {
                        (self.tell)(Told::Unseen(reason.clone()));
                        said = reason;
                    }
                }
            }
            if is_last {
                return None;
            }
            let watch = Stopwatch::start();
            while watch.elapsed() < pause && !self.reins.are_torn() {
                // Signals come to the engine.
                let _ = clock::pause(LOOKS_AGAIN);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Starts the runner, or finds it, and waits for its end. None: it was to be killed, and what runs
    /// it does not answer.
    fn runner(&self, site: &Site<'_>) -> Result<Option<(End, Pushed)>> {
        let ground = self.launcher.ground();
        let job = Arc::new(environment::job(self.workshop, &self.plan, site, ground)?);
        let end = self.run_job(&job)?;
        Ok(end.map(|end| (end, self.launcher.pushed(&job))))
    }

    fn run_job(&self, job: &Arc<Job>) -> Result<Option<End>> {
        let mut handle = match &self.plan.begun {
            None if self.reins.are_pulled() => {
                return Ok(Some(not_started(CALLED_OFF)));
            }
            None => {
                let handle = self.launcher.start(job)?;
                (self.tell)(Told::Started {
                    handle: handle.clone(),
                });
                handle
            }
            Some(_) => match self.find(job) {
                Some(Found::Running(handle)) => {
                    (self.tell)(Told::Adopted);
                    handle
                }
                found => return Ok(found.map(|found| self.over(job, found))),
            },
        };
        loop {
            let is_last = self.reins.are_torn();
            self.reins.attach(&*self.launcher, job, &handle);
            let unseen = |reason| (self.tell)(Told::Unseen(reason));
            let noted = |note| (self.tell)(Told::Noted(note));
            let end = self.launcher.observe(job, &handle, &unseen, &noted);
            self.reins.detach();
            let found = match end {
                Some(end) => Some(Found::Ended(end)),
                None => self.find(job),
            };
            match found {
                Some(Found::Running(_)) if is_last => return Ok(None),
                Some(Found::Running(again)) => handle = again,
                found => return Ok(found.map(|found| self.over(job, found))),
            }
        }
    }

    /// The end of a runner that runs no more, whose traces are taken away.
    fn over(&self, job: &Job, found: Found) -> End {
        if let Err(error) = self.launcher.remove(job) {
            (self.tell)(Told::Left(error.reason()));
        }
        match found {
            Found::Ended(end) => end,
            Found::NotStarted => not_started("its dispatcher was gone before it had started"),
            Found::Gone | Found::Running(_) => lost(),
        }
    }
}

/// Gives back the slot of an attempt whose end is known: a dispatcher was killed in between.
pub fn give_back(workshop: &Workshop<'_>, id: &AttemptId, slot: &SlotRef) -> Returned {
    let _shield = signals::shield();
    match Held::again(workshop, slot) {
        Ok(held) => {
            if held.is_out() {
                // What can't be done now may not stand in the way.
                let dir = workshop.run.attempt(&id.task, id.attempt);
                let _ = driven::finish_late(&dir, clock::now(), true);
            }
            held.give_back()
        }
        Err(error) => Returned {
            slot_id: slot.id(),
            rescue: None,
            error: Some(error.to_string()),
            is_kept: true,
        },
    }
}
