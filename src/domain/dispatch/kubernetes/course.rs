//! What follows for an attempt from what the cluster says of it.

use std::time::Duration;

use super::script::LastWords;
use super::seen::{Container, Ended, Pod, Seen, words};
use crate::domain::dispatch::end::{End, EndClass};
use crate::domain::dispatch::exit;

/// What has ended without its Job's saying so gets so long, for that may say why.
const AFTERWORD: Duration = Duration::from_secs(10);
/// How long before it is asked again for what does not happen.
const AGAIN: Duration = Duration::from_secs(30);
/// Nobody is told of what waits for less.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// What a pod's `status.reason` says if it was taken away for no fault of its own.
const TAKEN: &[&str] = &[
    "Evicted",
    "NodeLost",
    "NodeShutdown",
    "Preempting",
    "Shutdown",
    "Terminated",
];
/// What is said of who was ended together with its pod.
const POD_DELETED: &str = "its pod was deleted by somebody else";
/// What a container waits for that never comes.
const NEVER: &[&str] = &["InvalidImageName", "ErrImageNeverPull"];
/// How a container ends whose command can't be run.
const NOT_RUNNABLE: &[&str] = &["ContainerCannotRun", "StartError"];
/// The exit code by which our script says that the command could not begin.
const NOT_BEGUN: i32 = 125;

/// What holds for an attempt.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// How long it may take to begin.
    pub pending: Duration,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How many bytes of memory it may have; 0: nobody says.
    pub memory: u64,
    /// Its command runs in our script.
    pub scripted: bool,
}

/// Why it is ended from here.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// The dispatcher was told to; at once or not.
    Stop,
    /// It wrote more than so many bytes.
    Output(u64),
    /// It wrote nothing for so long.
    Stall(Duration),
    /// It has not begun in time, for this reason.
    Pending(String),
    /// It never can begin, for this reason.
    Never(String),
    /// It has ended, but its pod has not.
    Lingers,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing. What a person should know, if there is something.
    Wait(Option<String>),
    /// It is to be deleted; at once or not.
    Delete {
        /// Without the time to end by itself.
        now: bool,
    },
    /// Nothing is there of it: is that so, asked by its name?
    Confirm,
    /// It has ended.
    Over(End),
}

/// How it has gone so far. Times are those since it was begun or taken up.
#[derive(Debug, Default)]
pub struct Course {
    terms: Terms,
    cause: Option<Cause>,
    now: bool,
    asked: Option<(Duration, bool)>,
    started: bool,
    ended: Option<(Ended, Duration)>,
    disrupted: Option<String>,
    taken: Option<(String, String)>,
    failed: Option<(String, String)>,
    complete: bool,
    pod_deleted: bool,
}

impl Course {
    /// At its beginning.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            ..Self::default()
        }
    }

    /// It is to be ended for this cause, unless there is one already; `now`: without the time to end by
    /// itself.
    pub fn end_for(&mut self, cause: Cause, now: bool) {
        self.cause.get_or_insert(cause);
        self.now |= now;
    }

    /// Whether it is to be ended.
    pub fn is_to_end(&self) -> bool {
        self.cause.is_some()
    }

    /// What was asked for was not done.
    pub fn ask_again(&mut self) {
        self.asked = None;
    }

    /// What our script has said at its end.
    pub fn last_words(&self) -> Option<LastWords> {
        let (ended, _) = self.ended.as_ref()?;
        self.terms.scripted.then(|| LastWords::of(&ended.message))?
    }

    /// What follows from what was seen at this time; `confirmed`: asked for by name.
    pub fn look(&mut self, seen: &Seen, confirmed: bool, at: Duration) -> Step {
        self.learn(seen, at);
        let may_run = seen.pods.iter().any(Pod::may_run);
        if may_run {
            return self.goes_on(seen, at);
        }
        let Some(job) = &seen.job else {
            return match confirmed || self.ended.is_some() {
                true => Step::Over(self.end(at)),
                false => Step::Confirm,
            };
        };
        let settled = job.failed.is_some() || job.complete;
        match (&self.ended, seen.pods.is_empty()) {
            (Some((ended, since)), _)
                if self.may_be_late(ended) && !settled && at - *since < AFTERWORD =>
            {
                Step::Wait(None)
            }
            (Some(_), _) | (None, false) => Step::Over(self.end(at)),
            (None, true) if settled => Step::Over(self.end(at)),
            (None, true) => self.goes_on(seen, at),
        }
    }

    /// Its deadline may have ended it, or who has put it out, which its Job says, but was asked for
    /// earlier.
    fn may_be_late(&self, ended: &Ended) -> bool {
        self.cause.is_none() && ended.exit_code > 128
    }

    fn learn(&mut self, seen: &Seen, at: Duration) {
        for pod in &seen.pods {
            self.pod_deleted |= pod.deleting;
            let taken = pod.reason.as_ref();
            if let Some(taken) = taken {
                self.taken = Some(taken.clone());
            }
            if pod.disrupted.is_some() {
                self.disrupted.clone_from(&pod.disrupted);
            }
            match &pod.container {
                Container::Running => self.started = true,
                Container::Ended(ended) => {
                    self.started = true;
                    if self.ended.is_none() {
                        self.ended = Some((ended.clone(), at));
                    }
                }
                _ => {}
            }
        }
        if let Some(job) = &seen.job {
            self.complete |= job.complete;
            if job.failed.is_some() {
                self.failed.clone_from(&job.failed);
            }
        }
    }

    /// Something of it may run, or come.
    fn goes_on(&mut self, seen: &Seen, at: Duration) -> Step {
        let pending = pending(seen);
        if !self.started {
            if let Some(reason) = never(seen) {
                self.end_for(Cause::Never(reason), false);
            } else if at >= self.terms.pending {
                self.end_for(Cause::Pending(pending.clone()), false);
            }
        }
        if let Some((_, since)) = self.ended
            && at - since >= AFTERWORD
        {
            self.end_for(Cause::Lingers, false);
        }
        if self.cause.is_some() && self.ask(at) {
            return Step::Delete { now: self.now };
        }
        Step::Wait(match () {
            () if at < WORTH_TELLING => None,
            () if self.cause.is_some() => Some(ending(seen)),
            () if !self.started => Some(pending),
            () => unreachable(seen),
        })
    }

    /// Whether it is time to ask for its end, again or for the first time.
    fn ask(&mut self, at: Duration) -> bool {
        let due = match self.asked {
            None => true,
            Some((_, now)) if self.now && !now => true,
            Some((before, _)) => at - before >= AGAIN,
        };
        if due {
            self.asked = Some((at, self.now));
        }
        due
    }

    /// How it has ended.
    fn end(&self, at: Duration) -> End {
        let ended = self.ended.as_ref().map(|(ended, _)| ended);
        let (class, reason) = self.verdict(ended);
        let times = ended.and_then(|ended| ended.started_at.zip(ended.finished_at));
        let seconds = times.map(|(from, to)| to.duration_since(from).as_secs_f64());
        End {
            class,
            exit_code: ended.map(|ended| ended.exit_code),
            signal: ended
                .and_then(|ended| ended.signal)
                .filter(|signal| *signal > 0),
            reason,
            seconds: seconds.unwrap_or(at.as_secs_f64()).max(0.0),
        }
    }

    fn verdict(&self, ended: Option<&Ended>) -> (EndClass, Option<String>) {
        let limit = |limit| humantime::format_duration(limit).to_string();
        match &self.cause {
            Some(Cause::Output(most)) => {
                let cause = exit::Cause::Output(*most);
                return exit::told(cause);
            }
            Some(Cause::Stall(time)) => {
                let cause = exit::Cause::Stall(time.as_secs_f64());
                return exit::told(cause);
            }
            _ => {}
        }
        if self.is_out_of_time() {
            let cause = exit::Cause::Deadline(self.terms.timeout.unwrap_or_default().as_secs_f64());
            return match self.started {
                true => exit::told(cause),
                false => told(EndClass::Timeout, "its time was over before it could begin"),
            };
        }
        if let Some(ended) = ended.filter(|ended| ended.exit_code == 0) {
            return self.by_itself(ended);
        }
        match (&self.cause, ended) {
            (Some(Cause::Stop), _) => return exit::told(exit::Cause::Stop),
            (Some(Cause::Pending(reason)), None) => {
                let time = limit(self.terms.pending);
                return told(
                    EndClass::Infra,
                    &format!("it did not begin within {time}: {reason}"),
                );
            }
            (Some(Cause::Never(reason)), None) => return told(EndClass::Configuration, reason),
            _ => {}
        }
        if let Some(reason) = self.taken_away() {
            return (EndClass::Evicted, Some(reason));
        }
        match (ended, &self.taken, &self.failed) {
            (Some(_), ..) if self.pod_deleted && self.cause.is_none() => {
                told(EndClass::Lost, POD_DELETED)
            }
            (Some(ended), ..) => self.by_itself(ended),
            (None, Some((reason, message)), _) => told(EndClass::Infra, &words(reason, message)),
            (None, None, Some((reason, message))) if reason != "BackoffLimitExceeded" => {
                told(EndClass::Infra, &words(reason, message))
            }
            (None, None, Some(_)) => told(EndClass::Lost, POD_DELETED),
            (None, None, None) if self.complete => (EndClass::Done, None),
            _ => told(EndClass::Lost, "its Job was deleted by somebody else"),
        }
    }

    fn is_out_of_time(&self) -> bool {
        let mut said = [&self.failed, &self.taken].into_iter().flatten();
        said.any(|(reason, _)| reason == "DeadlineExceeded")
    }

    /// Why it was taken away, if that was no fault of its own.
    fn taken_away(&self) -> Option<String> {
        let taken = self.taken.as_ref();
        let taken = taken.filter(|(reason, _)| TAKEN.contains(&reason.as_str()));
        let taken = taken.map(|(reason, message)| words(reason, message));
        // The one rule that Jobs have.
        let failed = self.failed.as_ref();
        let by_rule = failed.filter(|(reason, _)| reason == "PodFailurePolicy");
        let by_rule = by_rule.map(|(reason, message)| words(reason, message));
        self.disrupted.clone().or(taken).or(by_rule)
    }

    /// What its exit code means.
    fn by_itself(&self, ended: &Ended) -> (EndClass, Option<String>) {
        if let Some(LastWords::Infra(reason)) = self.last_words() {
            return (EndClass::Infra, Some(reason));
        }
        let reason = ended.reason.as_str();
        if NOT_RUNNABLE.contains(&reason) {
            return told(EndClass::Configuration, &words(reason, &ended.message));
        }
        let code = ended.exit_code;
        if code == NOT_BEGUN && self.terms.scripted && self.last_words().is_none() {
            let reason =
                "its files could not be had, or its branch could not be pushed: see its log";
            return told(EndClass::Infra, reason);
        }
        let out_of_memory = reason == "OOMKilled";
        let class = exit::class(Some(code), None, out_of_memory);
        let reason = (class == EndClass::Oom).then(|| exit::out_of_memory(self.terms.memory));
        (class, reason)
    }
}

fn told(class: EndClass, reason: &str) -> (EndClass, Option<String>) {
    (class, Some(reason.to_owned()))
}

/// What a container waits for, if that never comes.
fn never(seen: &Seen) -> Option<String> {
    seen.pods.iter().find_map(|pod| match &pod.container {
        Container::Waiting(reason, message) if NEVER.contains(&reason.as_str()) => {
            Some(words(reason, message))
        }
        _ => None,
    })
}

/// What it waits for.
fn pending(seen: &Seen) -> String {
    let Some(pod) = seen.pods.last() else {
        return "the cluster has made no pod for it (`kubectl describe job` says why)".to_owned();
    };
    if let (None, Some(reason)) = (&pod.node, &pod.unscheduled) {
        return reason.clone();
    }
    // Most pods' containers wait for the initial ones, which is no reason.
    let own = match &pod.container {
        Container::Waiting(reason, message) if reason != "PodInitializing" => {
            Some(words(reason, message))
        }
        _ => None,
    };
    let other = pod.others.first();
    own.or_else(|| other.map(|(name, reason)| format!("container {name}: {reason}")))
        .unwrap_or_else(|| "its pod has not begun".to_owned())
}

/// Why it takes so long to end.
fn ending(seen: &Seen) -> String {
    unreachable(seen).unwrap_or_else(|| "it is being deleted, and is not gone yet".to_owned())
}

fn unreachable(seen: &Seen) -> Option<String> {
    let mut pods = seen.pods.iter();
    let pod = pods.find(|pod| pod.phase == super::seen::Phase::Unknown)?;
    let node = pod.node.as_deref().unwrap_or("its node");
    Some(format!(
        "whether it runs can't be told: {node} does not answer"
    ))
}
