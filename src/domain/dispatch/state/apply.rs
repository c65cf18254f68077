//! What each event changes.

use std::borrow::Cow;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::end::EndClass;
use super::super::event::{AttemptId, Event, Record, SlotRef};
use super::{Changes, Index, Open, PoolChange, RunState, TaskState};

/// How an attempt has ended, whichever event says so.
struct Ending<'a> {
    attempt: &'a AttemptId,
    class: EndClass,
    seconds: Option<f64>,
    reason: Option<Cow<'a, str>>,
    counted: bool,
    retry_in: Option<f64>,
}

impl RunState {
    /// What follows from one more event.
    pub fn apply(&mut self, record: &Record) -> Changes {
        let mut changes = Changes::default();
        self.run.last_number = self.run.last_number.max(record.n);
        let now = record.time;
        if may_answer(&record.event) {
            self.run.question = None;
        }
        match &record.event {
            Event::RunStarted { pid, policy, .. } => self.started(*pid, policy, now),
            Event::RunDraining { signal } => self.run.draining = Some(*signal),
            Event::RunEnded { code } => self.run.ended = Some((now, *code)),
            Event::AgentPoolCooling {
                agent_pool,
                seconds,
            } => self.agent_pool(agent_pool).cooling_until = Some(later(now, *seconds)),
            Event::AgentPoolChanged {
                agent_pool,
                enabled,
                max_concurrency,
            } => {
                let pool = self.agent_pool(agent_pool);
                pool.enabled = enabled.or(pool.enabled);
                pool.max_concurrency = max_concurrency.or(pool.max_concurrency);
            }
            Event::NeedsAttention {
                task: None,
                question,
                command,
            } => self.run.question = Some((question.clone(), command.clone())),
            Event::ControlTaken { lines } => self.run.controls = *lines,
            Event::StaleCompletion { .. } | Event::Warning { .. } => {}
            event if self.attempt_event(event, now, &mut changes) => {}
            event => self.task_event(event, now, &mut changes),
        }
        changes
    }

    /// Makes tasks ready whose time to be tried again has come.
    pub fn due(&mut self, now: Timestamp) -> Vec<Index> {
        let mut changes = Changes::default();
        while let Some((time, task)) = self.retries.first().copied()
            && time <= now
        {
            self.put(task, TaskState::Ready, Some(time), &mut changes);
        }
        changes.ready
    }

    /// Events of an attempt; `false` if this is none.
    fn attempt_event(&mut self, event: &Event, now: Timestamp, changes: &mut Changes) -> bool {
        match event {
            Event::TaskAssigned {
                attempt,
                runner,
                agent_pool,
            } => self.assigned(attempt, runner, agent_pool, now, changes),
            Event::SlotUnavailable {
                attempt,
                branch,
                reason,
                ..
            } => {
                let taken = branch.as_ref().map(|_| reason.as_str());
                self.without_slot(attempt, taken, now, changes);
            }
            Event::SlotAllocated { attempt, slot } => self.with_slot(attempt, slot),
            Event::RunnerStarted {
                attempt, handle, ..
            } => self.at_open(attempt, |open| {
                open.started = Some(now);
                open.handle = Some(handle.clone());
            }),
            Event::RunnerAdopted { .. } => {}
            Event::RunnerStopping { attempt, reason } => {
                self.at_open(attempt, |open| open.stopping = Some(reason.clone()));
            }
            Event::RunnerNoted { attempt, note } => {
                self.at_open(attempt, |open| open.note.clone_from(note));
            }
            // It has what it had.
            Event::SlotReleased { error: Some(_), .. } => {}
            Event::SlotReleased { attempt, .. } => {
                self.at_open(attempt, |open| open.slot = None);
                self.run.unreleased.remove(&attempt.token);
            }
            event => match ending(event) {
                Some(ending) => {
                    if let Event::RunnerCompleted {
                        commit: Some(commit),
                        branch,
                        attempt,
                        ..
                    } = event
                        && let Some(task) = self.current(attempt)
                    {
                        let branch = branch.clone().unwrap_or_default();
                        self.progress[task].left = Some(Box::new((commit.clone(), branch)));
                    }
                    self.ended(&ending, now, changes);
                }
                None => return false,
            },
        }
        true
    }

    /// Events of a task that no attempt tells.
    fn task_event(&mut self, event: &Event, now: Timestamp, changes: &mut Changes) {
        let id = match event {
            Event::TaskRetried { task }
            | Event::TaskCancelled { task }
            | Event::PriorityChanged { task, .. }
            | Event::TaskAdded { task }
            | Event::TaskDropped { task }
            | Event::NeedsAttention {
                task: Some(task), ..
            } => task,
            _ => return,
        };
        // Of a task that is in no file any more nothing has to be known.
        let Some(task) = self.index(id) else { return };
        match event {
            Event::TaskRetried { .. } => self.retried(task, now, changes),
            Event::TaskCancelled { .. } => self.cancelled(task, now, changes),
            Event::PriorityChanged { priority, .. } => self.progress[task].priority = *priority,
            Event::TaskAdded { .. } => self.added(task, now, changes),
            Event::TaskDropped { .. } => self.dropped(task, now, changes),
            Event::NeedsAttention {
                question, command, ..
            } => {
                let cancelled = self.close(task).is_some_and(|open| open.cancelled);
                if cancelled {
                    self.put(task, TaskState::Cancelled, Some(now), changes);
                    return;
                }
                self.put(task, TaskState::NeedsAttention, Some(now), changes);
                self.progress[task].note = Some(question.as_str().into());
                self.progress[task].answer = Some(command.as_str().into());
            }
            _ => {}
        }
    }

    fn started(&mut self, pid: u32, policy: &str, now: Timestamp) {
        let run = &mut self.run;
        run.began = run.began.or(Some(now));
        run.started = Some(now);
        run.pid = Some(pid);
        run.policy = Some(policy.to_owned());
        (run.draining, run.ended) = (None, None);
        for progress in &mut self.progress {
            if progress.state == TaskState::Ready && progress.ready_at.is_none() {
                (progress.ready_at, progress.since) = (Some(now), Some(now));
            }
        }
    }

    fn agent_pool(&mut self, name: &str) -> &mut PoolChange {
        self.run.agent_pools.entry(name.to_owned()).or_default()
    }

    fn assigned(
        &mut self,
        attempt: &AttemptId,
        runner: &str,
        agent_pool: &str,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        self.run.last_token = self.run.last_token.max(attempt.token);
        let Some(task) = self.index(&attempt.task) else {
            return;
        };
        self.put(task, TaskState::Running, Some(now), changes);
        let progress = &mut self.progress[task];
        progress.attempt = attempt.attempt;
        (progress.answer, progress.branch_taken) = (None, None);
        progress.open = Some(Box::new(Open {
            id: attempt.clone(),
            runner: runner.to_owned(),
            agent_pool: agent_pool.to_owned(),
            assigned: now,
            started: None,
            handle: None,
            slot: None,
            stopping: None,
            note: None,
            cancelled: false,
        }));
    }

    /// There was no slot, or its branch was taken: as if it had not been assigned.
    fn without_slot(
        &mut self,
        attempt: &AttemptId,
        branch_taken: Option<&str>,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let Some(task) = self.current(attempt) else {
            return;
        };
        if let Some(repo) = self.tasks[task].repo.clone()
            && branch_taken.is_none()
        {
            let since = self
                .run
                .exhausted
                .get(&repo)
                .map_or(now, |(since, _)| *since);
            self.run.exhausted.insert(repo, (since, now));
        }
        let cancelled = self.progress[task]
            .open
            .take()
            .is_some_and(|open| open.cancelled);
        let progress = &mut self.progress[task];
        progress.attempt = progress.attempt.saturating_sub(1);
        progress.branch_taken = branch_taken.map(|why| Box::new((now, why.into())));
        let state = match cancelled {
            true => TaskState::Cancelled,
            false => TaskState::Ready,
        };
        let ready_at = progress.ready_at.or(Some(now));
        self.put(task, state, ready_at, changes);
    }

    fn with_slot(&mut self, attempt: &AttemptId, slot: &SlotRef) {
        let Some(task) = self.current(attempt) else {
            return;
        };
        if let Some(repo) = &self.tasks[task].repo {
            self.run.exhausted.remove(repo);
        }
        let progress = &mut self.progress[task];
        progress.last_slot = Some((slot.pool.as_str().into(), slot.number));
        if let Some(open) = &mut progress.open {
            open.slot = Some(slot.clone());
        }
    }

    fn at_open(&mut self, attempt: &AttemptId, change: impl FnOnce(&mut Open)) {
        if let Some(task) = self.current(attempt)
            && let Some(open) = &mut self.progress[task].open
        {
            change(open);
        }
    }

    fn ended(&mut self, ending: &Ending<'_>, now: Timestamp, changes: &mut Changes) {
        let Some(task) = self.current(ending.attempt) else {
            return;
        };
        let open = self.close(task);
        if let Some(open) = &open {
            let share = self.tasks[task].share.clone();
            let seconds = now.duration_since(open.assigned).as_secs_f64();
            *self.run.used.entry(share).or_default() += seconds.max(0.0);
        }
        let progress = &mut self.progress[task];
        progress.last_end = Some(ending.class);
        progress.last_seconds = ending.seconds;
        progress.counted += u32::from(ending.counted);
        progress.note = ending.reason.as_deref().map(Into::into);
        let cancelled = open.is_some_and(|open| open.cancelled);
        let state = match (ending.class, ending.retry_in) {
            (EndClass::Done, _) => TaskState::Done,
            (EndClass::Cancelled, _) => TaskState::Cancelled,
            _ if cancelled => TaskState::Cancelled,
            (_, None) => TaskState::Failed,
            (_, Some(seconds)) if seconds > 0.0 => {
                let time = later(now, seconds);
                progress.retry_at = Some(time);
                self.retries.insert((time, task));
                TaskState::Retrying
            }
            (_, Some(_)) => TaskState::Ready,
        };
        self.put(task, state, Some(now), changes);
    }

    /// Ends the attempt under way; its slot is still to be released.
    fn close(&mut self, task: Index) -> Option<Box<Open>> {
        let mut open = self.progress[task].open.take()?;
        if let Some(slot) = open.slot.take() {
            let token = open.id.token;
            self.run.unreleased.insert(token, (open.id.clone(), slot));
        }
        Some(open)
    }

    fn retried(&mut self, task: Index, now: Timestamp, changes: &mut Changes) {
        use TaskState::{Cancelled, Failed, NeedsAttention, Retrying};
        let progress = &mut self.progress[task];
        match progress.state {
            Failed | Cancelled | NeedsAttention => {
                progress.counted = 0;
                (progress.note, progress.answer) = (None, None);
                self.put(task, TaskState::Waiting, Some(now), changes);
            }
            Retrying => self.put(task, TaskState::Ready, Some(now), changes),
            _ => {}
        }
    }

    fn cancelled(&mut self, task: Index, now: Timestamp, changes: &mut Changes) {
        let progress = &mut self.progress[task];
        match progress.state {
            TaskState::Running => {
                if let Some(open) = &mut progress.open {
                    open.cancelled = true;
                }
            }
            TaskState::Done | TaskState::Failed | TaskState::Dropped => {}
            _ => self.put(task, TaskState::Cancelled, Some(now), changes),
        }
    }

    fn dropped(&mut self, task: Index, now: Timestamp, changes: &mut Changes) {
        match self.progress[task].state {
            TaskState::Done | TaskState::Running => {}
            _ => self.put(task, TaskState::Dropped, Some(now), changes),
        }
    }

    fn added(&mut self, task: Index, now: Timestamp, changes: &mut Changes) {
        match self.progress[task].state {
            TaskState::Dropped => {
                self.put(task, TaskState::Waiting, Some(now), changes);
            }
            TaskState::Ready => {
                let progress = &mut self.progress[task];
                (progress.ready_at, progress.since) = (Some(now), Some(now));
            }
            _ => {}
        }
    }
}

/// Whether a question about the run is to be asked anew after this, if it is one still.
fn may_answer(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted { .. }
            | Event::TaskAssigned { .. }
            | Event::TaskRetried { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskAdded { .. }
            | Event::TaskDropped { .. }
            | Event::AgentPoolChanged { .. }
    )
}

/// The end that an event tells, if it tells one.
fn ending(event: &Event) -> Option<Ending<'_>> {
    Some(match event {
        Event::RunnerCompleted { attempt, end, .. } => Ending {
            attempt,
            class: EndClass::Done,
            seconds: Some(end.seconds),
            reason: end.cause(),
            counted: true,
            retry_in: None,
        },
        Event::RunnerFailed {
            attempt,
            end,
            retry_in,
            counted,
            ..
        } => Ending {
            attempt,
            class: end.class,
            seconds: Some(end.seconds),
            reason: end.cause(),
            counted: *counted,
            retry_in: *retry_in,
        },
        Event::RunnerLost {
            attempt, retry_in, ..
        } => Ending {
            attempt,
            class: EndClass::Lost,
            seconds: None,
            reason: None,
            counted: true,
            retry_in: *retry_in,
        },
        _ => return None,
    })
}

/// So many seconds after a time.
fn later(time: Timestamp, seconds: f64) -> Timestamp {
    let wait = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}
