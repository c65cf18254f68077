//! One attempt's Job, from its making to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use super::kubectl::{Cluster, Done};
use super::output::{Followed, Output};
use super::record::{self, Made, Outcome};
use super::trouble::Trouble;
use super::watch::{News, Waiting, Watch};
use crate::dispatch::launcher::Job;
use crate::domain::dispatch::kubernetes::course::{Cause, Course, Step, Terms};
use crate::domain::dispatch::kubernetes::seen::{Container, Seen};
use crate::domain::dispatch::{End, EndClass};
use crate::domain::{Error, Result};
use crate::sys::clock::{Deadline, Stopwatch};

/// The longest time between two tries to have a Job made.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Nothing is waited for longer than this without a look at what may have passed meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster that does not answer for so long is not waited for by who is to be killed.
const BLIND: Duration = Duration::from_secs(10);
/// For how long the rest of the output is asked for when the container has ended.
const LAST_TRIES: Duration = Duration::from_secs(45);

/// Not to be ended, asked to end, ended at once.
const RUN: u8 = 0;
const STOP: u8 = 1;
const KILL: u8 = 2;

/// One attempt's Job.
pub struct Runner {
    /// Its name.
    name: String,
    dir: PathBuf,
    /// What was written down of it.
    made: Made,
    terms: Terms,
    log_limit: u64,
    stall: Option<Duration>,
    watch: Arc<Watch>,
    followed: Arc<Followed>,
    wanted: AtomicU8,
    /// The cluster may have made the Job without saying so.
    unclear: AtomicBool,
}

/// What has become of it can't be told, and nobody waits for that any more.
struct Unseen;

/// Whether the cluster has the Job.
enum Creation {
    /// It has.
    There,
    /// It was not reached, or has not answered.
    Open(String),
    /// It has not, and never will.
    Never(End),
}

/// Says what is to be known, once.
struct Teller<'a> {
    noted: &'a dyn Fn(Option<String>),
    last: Option<String>,
}

impl Teller<'_> {
    fn say(&mut self, text: Option<String>) {
        if text != self.last {
            (self.noted)(text.clone());
            self.last = text;
        }
    }
}

impl Runner {
    /// The Job of an attempt as it was written down; whether somebody else may have asked for it.
    pub fn new(
        job: &Job,
        made: Made,
        unclear: bool,
        pending: Duration,
        watch: Arc<Watch>,
        followed: Arc<Followed>,
    ) -> Self {
        Self {
            name: job.runner.clone(),
            dir: job.dir.clone(),
            terms: Terms {
                pending,
                timeout: job.timeout,
                memory: job.memory,
                scripted: made.scripted,
            },
            made,
            log_limit: job.log_limit,
            stall: job.stall,
            watch,
            followed,
            wanted: AtomicU8::new(RUN),
            unclear: AtomicBool::new(unclear),
        }
    }

    /// What people call it.
    pub fn handle(&self) -> String {
        self.made.cluster.handle(&self.name)
    }

    fn cluster(&self) -> &Cluster {
        &self.made.cluster
    }

    /// It is to end.
    pub fn stop(&self, now: bool) {
        let wanted = if now { KILL } else { STOP };
        self.wanted.fetch_max(wanted, Ordering::SeqCst);
        self.watch.call();
    }

    fn wanted(&self) -> u8 {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Has the Job made, if the cluster can be reached. One that can't be is tried again by
    /// [`Self::to_the_end`].
    ///
    /// # Errors
    /// If it never can be made.
    pub fn begin(&self) -> Result<()> {
        match self.create() {
            Creation::There | Creation::Open(_) => Ok(()),
            Creation::Never(end) => {
                let error = Error::failed(end.reason.clone().unwrap_or_default());
                let _ = record::write_outcome(&self.dir, &Outcome::new(end, None));
                let _ = record::forget_manifest(&self.dir);
                Err(error)
            }
        }
    }

    /// Has the Job made.
    fn create(&self) -> Creation {
        let never = |reason: String| Creation::Never(end(EndClass::Infra, &reason));
        let Ok(manifest) = serde_json::to_vec(&self.made.manifest) else {
            return never("its Job can't be written down".to_owned());
        };
        let there = match self.cluster().create(&manifest) {
            Ok(()) => Ok(true),
            Err(Trouble::Exists) => self.is_ours(),
            Err(Trouble::Refused(why)) if self.unclear.load(Ordering::SeqCst) => {
                match self.is_ours() {
                    Ok(true) => Ok(true),
                    // Nobody asks for it any more.
                    Ok(false) | Err(Trouble::Refused(_)) => return never(why),
                    Err(trouble) => Err(trouble),
                }
            }
            Err(Trouble::Refused(why)) => return never(why),
            Err(trouble) => Err(trouble),
        };
        match there {
            Ok(true) => match record::write_created(&self.dir) {
                Ok(()) => Creation::There,
                Err(error) => Creation::Open(error.reason()),
            },
            Ok(false) => never(format!(
                "{} exists already and is not of this attempt: another run uses the same names, \
                 which a namespace of its own avoids",
                self.handle()
            )),
            Err(trouble) => {
                let unclear = matches!(trouble, Trouble::Unclear(_));
                self.unclear.fetch_or(unclear, Ordering::SeqCst);
                Creation::Open(trouble.to_string())
            }
        }
    }

    fn is_ours(&self) -> Done<bool> {
        let job = self.cluster().job(&self.name)?;
        Ok(job.is_some_and(|job| job.id.as_ref() == Some(&self.made.id)))
    }

    /// Watches it to its end, which is written down. None: it was to be killed, and the cluster does not
    /// answer.
    pub fn to_the_end(&self, noted: &dyn Fn(Option<String>)) -> Option<End> {
        let mut waiting = self.watch.join();
        let mut teller = Teller { noted, last: None };
        let outcome = match self.there(&mut waiting, &mut teller).ok()? {
            Some(end) => Outcome::new(end, None),
            None => self.followed(&mut waiting, &mut teller).ok()?,
        };
        // If that can't be written down, it has to be found out again: nothing is lost.
        let _ = record::write_outcome(&self.dir, &outcome);
        Some(outcome.end)
    }

    /// Waits until the cluster has the Job; its end if it never will.
    fn there(
        &self,
        waiting: &mut Waiting,
        teller: &mut Teller<'_>,
    ) -> std::result::Result<Option<End>, Unseen> {
        let mut pause = Duration::from_secs(1);
        let watch = Stopwatch::start();
        while !record::is_created(&self.dir) {
            let reason = match self.create() {
                Creation::There => break,
                Creation::Never(end) => return Ok(Some(end)),
                Creation::Open(reason) => reason,
            };
            let is_unclear = self.unclear.load(Ordering::SeqCst);
            // One that may be there has to be found and deleted, so it is asked for until it is there.
            if (self.wanted() > RUN || watch.elapsed() >= self.terms.pending) && !is_unclear {
                let class = match self.wanted() {
                    RUN => EndClass::Infra,
                    _ => EndClass::Stopped,
                };
                return Ok(Some(end(class, &reason)));
            }
            if self.wanted() == KILL {
                return Err(Unseen);
            }
            teller.say(Some(reason));
            self.pause(waiting, pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(None)
    }

    /// Follows the Job that is there to its end.
    fn followed(
        &self,
        waiting: &mut Waiting,
        teller: &mut Teller<'_>,
    ) -> std::result::Result<Outcome, Unseen> {
        let output = Output::open(&self.dir, self.log_limit).map(Arc::new);
        let output = output.ok();
        let clock = Stopwatch::start();
        let mut course = Course::new(self.terms.clone());
        let mut last: Option<Seen> = None;
        let mut pod = None;
        let mut follows = false;
        let mut blind: Option<Stopwatch> = None;
        waiting.begin_anew();
        loop {
            let mut new = true;
            match waiting.next(&self.name, PATIENCE) {
                News::Seen(seen) => {
                    last = Some(seen.of(&self.made.id));
                    blind = None;
                }
                News::Trouble(why) => {
                    teller.say(Some(why));
                    blind.get_or_insert_with(Stopwatch::start);
                    new = false;
                }
                News::Nothing => new = false,
            }
            if self.wanted() == KILL && blind.is_some_and(|blind| blind.elapsed() >= BLIND) {
                return Err(Unseen);
            }
            self.causes(&mut course, output.as_deref());
            let Some(seen) = last.as_ref().filter(|_| new || course.is_to_end()) else {
                continue;
            };
            let mut step = course.look(seen, false, clock.elapsed());
            pod = runs(seen).or(pod);
            if let (Some(output), Some(pod), false) = (&output, &pod, follows) {
                let (cluster, followed) = (self.cluster(), &self.followed);
                follows = output.follow(cluster, pod, followed, &self.watch);
            }
            if step == Step::Confirm {
                step = match self.cluster().by_name(&self.name) {
                    Ok(seen) => course.look(&seen.of(&self.made.id), true, clock.elapsed()),
                    Err(trouble) => Step::Wait(Some(trouble.to_string())),
                };
            }
            match step {
                Step::Wait(note) if new => teller.say(note),
                Step::Wait(_) | Step::Confirm => {}
                Step::Delete { now } => {
                    if let (Some(output), Some(pod)) = (&output, &pod)
                        && !output.is_followed()
                    {
                        let _ = output.fetch(self.cluster(), pod);
                    }
                    if let Err(trouble) = self.cluster().delete(&self.made.id, now) {
                        teller.say(Some(trouble.to_string()));
                        course.ask_again();
                    }
                    waiting.expect();
                }
                Step::Over(end) => {
                    let end = match &output {
                        Some(output) => {
                            self.rest(output, pod.as_deref(), waiting, teller);
                            self.limited(output, end)
                        }
                        None => end,
                    };
                    return Ok(Outcome::new(end, course.last_words()));
                }
            }
        }
    }

    /// Why it is to be ended from here.
    fn causes(&self, course: &mut Course, output: Option<&Output>) {
        let wanted = self.wanted();
        if wanted > RUN {
            course.end_for(Cause::Stop, wanted == KILL);
        }
        let Some(output) = output else { return };
        if output.is_too_much() {
            course.end_for(Cause::Output(self.log_limit), false);
        }
        if let (Some(stall), Some(silent)) = (self.stall, output.silent_for())
            && silent >= stall
        {
            course.end_for(Cause::Stall(stall), false);
        }
    }

    /// Brings the rest of the output. It is gone with the Job, so it is tried for a while, unless the
    /// attempt is to be ended.
    fn rest(
        &self,
        output: &Output,
        pod: Option<&str>,
        waiting: &mut Waiting,
        teller: &mut Teller<'_>,
    ) {
        let whole = output.end();
        let deadline = Deadline::after(LAST_TRIES);
        let mut pause = Duration::from_secs(1);
        while let (Some(pod), false) = (pod, output.is_too_much()) {
            let Err(trouble) = output.fetch(self.cluster(), pod) else {
                teller.say(None);
                break;
            };
            if trouble.lasts() || self.wanted() > RUN || deadline.passed() {
                if !whole {
                    teller.say(Some(format!("the end of its log is missing: {trouble}")));
                }
                break;
            }
            teller.say(Some(format!("the end of its log is not there: {trouble}")));
            self.pause(waiting, pause);
            pause = (pause * 2).min(PATIENCE);
        }
        output.close();
    }

    /// Waits for so long, or until it is to end in another way.
    fn pause(&self, waiting: &mut Waiting, time: Duration) {
        let (deadline, wanted) = (Deadline::after(time), self.wanted());
        while let (Some(left), true) = (deadline.remaining(), self.wanted() == wanted) {
            waiting.next(&self.name, left.min(PATIENCE));
        }
    }

    /// More than may be is what counts.
    fn limited(&self, output: &Output, ended: End) -> End {
        match output.is_too_much() {
            true => End {
                class: EndClass::Output,
                reason: crate::domain::dispatch::exit::told(
                    crate::domain::dispatch::exit::Cause::Output(self.log_limit),
                )
                .1,
                ..ended
            },
            false => ended,
        }
    }

    /// Has the Job deleted, and what it was made from forgotten.
    pub fn remove(&self) {
        // What is not deleted now goes by itself, later.
        if record::is_created(&self.dir) {
            let _ = self.cluster().delete(&self.made.id, false);
        }
        let _ = record::forget_manifest(&self.dir);
    }
}

/// The pod whose container has begun.
fn runs(seen: &Seen) -> Option<String> {
    let begun =
        |container: &Container| matches!(container, Container::Running | Container::Ended(_));
    let pod = seen.pods.iter().find(|pod| begun(&pod.container))?;
    Some(pod.name.clone())
}

fn end(class: EndClass, reason: &str) -> End {
    End {
        class,
        exit_code: None,
        signal: None,
        reason: Some(reason.to_owned()),
        seconds: 0.0,
    }
}
