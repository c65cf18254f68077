//! The queue at work: one loop that hears what has happened, records it, and lets begin what can.
//!
//! | part | owns |
//! |---|---|
//! | `ledger` | recording, counting and saying what happened |
//! | `crew` | the threads of the attempts, and ending them |
//! | `ends` | what is recorded when an attempt tells something |
//! | `over` | whether nothing is left to do, and the last words |
//! | `wishes` | what people want of the run, and files that have changed |
//! | `kept` | slots that could not go back |
//! | `resume` | what an earlier dispatcher has left |
//! | `leftovers` | the same, where the events can't be read any more |
//! | `listen` | the thread that hears signals and changes of files |
//!
//! All decisions are in [`crate::domain::dispatch`]; all effects but the files of the run itself are in
//! [`super::attempt`]. Nothing is begun because of an event before the event is written.

mod crew;
mod ends;
mod kept;
mod ledger;
mod leftovers;
mod listen;
mod over;
mod resume;
mod wishes;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use jiff::Timestamp;

use self::crew::Crew;
use self::ledger::Ledger;
use self::over::Over;
use super::attempt::{Told, Wanted, Workshop};
use super::files::{Defaults, Source};
use super::launchers::Launchers;
use super::metrics::{self, Metrics};
use super::registry::Registry;
use super::run::{Each, Replayed, control};
use crate::domain::Result;
use crate::domain::dispatch::agents::AgentPool;
use crate::domain::dispatch::course;
use crate::domain::dispatch::event::AttemptId;
use crate::domain::dispatch::scheduler::Scheduler;
use crate::domain::dispatch::{Event, Task};
use crate::store::document;
use crate::sys::clock::{self, Deadline};
use crate::sys::signals;

pub use ledger::Teller;
pub use over::Ended;

/// So many messages are heard before what follows from them is written.
const AT_ONCE: usize = 256;

/// What a run is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether it goes on when all is done, and heeds changes of the files.
    pub watch: bool,
    /// The tasks that are wanted, with what they depend on; none: all.
    pub only: Vec<String>,
    /// Whether nothing new is started once a task has failed.
    pub fail_fast: bool,
    /// How long runners may take after a signal.
    pub drain_timeout: Duration,
    /// Where the figures go besides.
    pub metrics_file: Option<PathBuf>,
    /// What stands in for what files do not say.
    pub defaults: Defaults,
    /// What a person was told of the tasks already.
    pub told: Vec<String>,
}

/// What a dispatcher works with.
pub struct Setting<'e> {
    /// What all attempts work with.
    pub workshop: &'e Workshop<'e>,
    /// The agent pools.
    pub agent_pools: Vec<Arc<AgentPool>>,
    /// What runs the runners of each kind of agent pool.
    pub launchers: &'e Launchers,
    /// Who is told of what happens.
    pub teller: &'e dyn Teller,
    /// Where states and events are written back to.
    pub registry: Option<&'e Registry>,
    /// What the run is to be.
    pub options: Options,
}

/// What the loop hears.
enum Message {
    /// Something of an attempt.
    Attempt(AttemptId, Told),
    /// Somebody may have said what they want.
    Wishes,
    /// A task file may have changed.
    Files,
    /// A signal came.
    Signal(i32),
}

/// Where the run is heading.
#[derive(Debug)]
enum Course {
    /// On.
    On,
    /// Nothing new is started: a task has failed.
    Failing,
    /// Nothing new is started: a signal said so.
    Draining {
        signal: i32,
        until: Deadline,
        /// How far runners have been asked to end.
        asked: Wanted,
    },
}

/// A dispatcher at work.
struct Engine<'scope, 'e> {
    setting: &'e Setting<'e>,
    crew: Crew<'scope, 'e>,
    ledger: Ledger<'e>,
    scheduler: Scheduler,
    scope: course::Scope,
    files: Vec<Source>,
    /// The tasks that run and that no file names any more.
    leaving: Vec<String>,
    /// What was said of the tasks: nothing is said twice.
    told: Vec<String>,
    course: Course,
    inbox: Receiver<Message>,
}

/// Runs the tasks of a run that this process has, to the end.
pub fn run(setting: &Setting<'_>, files: Vec<Source>, tasks: Vec<Task>) -> Result<Ended> {
    at_work(setting, files, replayed(setting), |engine| {
        engine.begin(tasks)?;
        engine.work()
    })
}

/// Ends what earlier dispatchers of a run have left running, and gives back its slots.
pub fn close_down(setting: &Setting<'_>) -> Result<()> {
    let run = &setting.workshop.run;
    let files = match run.read() {
        Ok(seen) if seen.state.is_left_in_order() => return Ok(()),
        Ok(seen) => seen.document.files,
        // Only a newer version knows what it has begun, and how that is ended.
        Err(error) if document::is_newer(&run.tasks()) => return Err(error),
        Err(damage) => return leftovers::close_down(setting, &damage),
    };
    // It has not begun.
    if files.is_empty() {
        return Ok(());
    }
    at_work(setting, files, replayed(setting), |engine| engine.end_all())
}

/// The run as its events have it.
fn replayed(setting: &Setting<'_>) -> impl FnOnce(Each<'_>) -> Result<Replayed> {
    |each| Replayed::load(&setting.workshop.run, each)
}

/// A dispatcher that has the run as it was left.
fn at_work<T>(
    setting: &Setting<'_>,
    files: Vec<Source>,
    replayed: impl FnOnce(Each<'_>) -> Result<Replayed>,
    work: impl FnOnce(&mut Engine<'_, '_>) -> Result<T>,
) -> Result<T> {
    let workshop = setting.workshop;
    let configured: Vec<AgentPool> = setting.agent_pools.iter().map(|p| (**p).clone()).collect();
    let mut metrics = Metrics::new(workshop.run.name(), &configured);
    let replayed = replayed(&mut |record, changes, state| {
        metrics.observe(record, changes, state);
    })?;
    let figures = Some(workshop.run.metrics()).into_iter();
    let figures = figures
        .chain(setting.options.metrics_file.clone())
        .collect();
    let ledger = Ledger::new(replayed, metrics, metrics::Files::new(figures), setting);
    let (sender, inbox) = channel();
    std::thread::scope(|threads| {
        let _listener = listen::begin(threads, setting, &files, sender.clone())?;
        let mut engine = Engine {
            scheduler: Scheduler::resume(ledger.state(), &configured, &workshop.rules),
            crew: Crew::new(threads, setting, sender.clone()),
            scope: course::Scope::default(),
            files,
            leaving: Vec::new(),
            told: setting.options.told.clone(),
            course: Course::On,
            setting,
            ledger,
            inbox,
        };
        work(&mut engine)
    })
}

impl Engine<'_, '_> {
    /// Ends what was left, and starts nothing.
    fn end_all(&mut self) -> Result<()> {
        self.course = Course::Failing;
        self.take_up()?;
        self.stop_all(Wanted::Stop, "the run begins anew");
        self.work().map(drop)
    }

    /// Until nothing is left to do.
    fn work(&mut self) -> Result<Ended> {
        loop {
            self.schedule();
            if self.ledger.write() {
                self.crew.start_all(self.ledger.state());
                self.ledger.write_figures(false);
            }
            if let Some(over) = self.over() {
                let silence = control::silence(&self.setting.workshop.run).ok();
                // What was said up to now is heard.
                if self.take_up_wishes() {
                    continue;
                }
                return self.end(over, silence);
            }
            match self.hear() {
                Ok(message) => self.heed(message),
                Err(RecvTimeoutError::Timeout) => {}
                // This very struct can send.
                Err(RecvTimeoutError::Disconnected) => return self.end(Over::with(1), None),
            }
            for _ in 0..AT_ONCE {
                match self.inbox.try_recv() {
                    Ok(message) => self.heed(message),
                    Err(_) => break,
                }
            }
            self.pass_time();
        }
    }

    /// Records an event, and lets the scheduler know what follows.
    fn record(&mut self, event: Event) {
        let (record, changes) = self.ledger.add(event);
        for task in changes.withdrawn {
            self.scheduler.withdraw(task);
        }
        let at = record.time.as_millisecond();
        for task in changes.ready {
            if self.scope.has(task) {
                self.scheduler.ready(task, at);
            }
        }
    }

    fn may_start(&self) -> bool {
        matches!(self.course, Course::On)
            && self.ledger.again().is_none()
            // Attempts know of it already, though it has not been heard here yet.
            && signals::received().is_none()
    }

    /// Assigns what can go: it is started when that is written.
    fn schedule(&mut self) {
        while self.may_start()
            && let Some(placement) = self.scheduler.next(clock::now().as_millisecond())
        {
            let state = self.ledger.state();
            let task = &state.tasks()[placement.task];
            let attempt = AttemptId {
                task: task.id.to_string(),
                attempt: state.progress(placement.task).attempt + 1,
                token: state.run().last_token + 1,
            };
            let mut plan = self.crew.plan(
                state,
                placement.task,
                attempt,
                &placement.agent_pool,
                &self.files,
            );
            plan.may_wait = placement.may_wait;
            let runner = self
                .setting
                .workshop
                .run
                .runner(&plan.id.task, plan.id.attempt);
            self.record(Event::TaskAssigned {
                attempt: plan.id.clone(),
                runner,
                agent_pool: placement.agent_pool.to_string(),
            });
            self.crew.add(plan);
        }
    }

    fn heed(&mut self, message: Message) {
        match message {
            Message::Attempt(attempt, told) => self.told(&attempt, told),
            Message::Wishes => drop(self.take_up_wishes()),
            Message::Files => self.read_files_again(),
            Message::Signal(signal) => self.signalled(signal),
        }
    }

    /// Waits for the next message, or until something is due.
    fn hear(&self) -> std::result::Result<Message, RecvTimeoutError> {
        let now = clock::now();
        let until =
            |time: Timestamp| Duration::try_from(time.duration_since(now)).unwrap_or_default();
        let due = self.ledger.state().next_due().map(until);
        let wakes = self.scheduler.wakes_at(now.as_millisecond());
        let wakes = wakes
            .and_then(|at| Timestamp::from_millisecond(at).ok())
            .map(until);
        let drained = match &self.course {
            Course::Draining { until, asked, .. } if *asked < Wanted::Stop => {
                Some(until.remaining().unwrap_or_default())
            }
            _ => None,
        };
        let metrics = self.ledger.figures_due();
        let waits = [due, wakes, drained, self.ledger.again(), metrics];
        match waits.into_iter().flatten().min() {
            // A millisecond later: what is due then is due for sure.
            Some(wait) => self.inbox.recv_timeout(wait + Duration::from_millis(1)),
            None => self
                .inbox
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// What time alone brings about.
    fn pass_time(&mut self) {
        let now = clock::now();
        for task in self.ledger.state_mut().due(now) {
            if self.scope.has(task) {
                self.scheduler.ready(task, now.as_millisecond());
            }
        }
        if let Course::Draining { until, asked, .. } = &self.course
            && *asked < Wanted::Stop
            && until.passed()
        {
            self.stop_all(Wanted::Stop, "the time to end by themselves is over");
        }
    }

    fn signalled(&mut self, signal: i32) {
        let asked = match &self.course {
            Course::Draining { asked, .. } => *asked,
            _ => {
                self.record(Event::RunDraining { signal });
                // Counted from when it is told.
                self.course = Course::Draining {
                    signal,
                    until: Deadline::after(self.setting.options.drain_timeout),
                    asked: Wanted::Hold,
                };
                self.crew.hold_all();
                return;
            }
        };
        match asked {
            Wanted::Hold => self.stop_all(Wanted::Stop, "the dispatcher was told to end at once"),
            _ => self.stop_all(
                Wanted::Kill,
                "the dispatcher was told to end at once, again",
            ),
        }
    }

    fn stop_all(&mut self, wanted: Wanted, reason: &str) {
        if let Course::Draining { asked, .. } = &mut self.course {
            *asked = wanted;
        }
        for attempt in self.crew.stop_all(wanted) {
            self.record(Event::RunnerStopping {
                attempt,
                reason: reason.to_owned(),
            });
        }
    }
}
