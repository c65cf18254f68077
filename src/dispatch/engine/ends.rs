//! What is recorded when an attempt tells something.

use super::{Course, Engine};
use crate::dispatch::attempt::{Returned, Told};
use crate::domain::dispatch::end::Next;
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::{End, EndClass, Event, TaskState};
use crate::sys::clock;

impl Engine<'_, '_> {
    /// An attempt tells something.
    pub(super) fn told(&mut self, attempt: &AttemptId, told: Told) {
        let id = attempt.clone();
        match told {
            Told::Slot(slot) => {
                self.record(Event::SlotAllocated { attempt: id, slot });
                if let Some(task) = self.ledger.state().index(&attempt.task) {
                    self.scheduler.with_slot(task);
                }
            }
            Told::NoSlot {
                pool,
                branch,
                reason,
            } => self.without_slot(attempt, pool, branch, reason),
            Told::Question { question, command } => self.question(attempt, question, command),
            Told::Started { handle } => {
                let runner = self.runner(attempt);
                self.record(Event::RunnerStarted {
                    attempt: id,
                    runner,
                    handle,
                });
            }
            Told::Adopted => self.record(Event::RunnerAdopted { attempt: id }),
            Told::Noted(note) => self.record(Event::RunnerNoted { attempt: id, note }),
            Told::Unseen(reason) => self.record(Event::Warning {
                text: format!(
                    "what has become of {} can't be told: {reason}",
                    self.runner(attempt)
                ),
            }),
            Told::Left(reason) => self.record(Event::Warning {
                text: format!(
                    "what {} has left could not be cleared away: {reason}",
                    self.runner(attempt)
                ),
            }),
            Told::Astray(place) => self.record(Event::Warning {
                text: format!(
                    "{} has ended {place}: nothing that starts from what it left has that",
                    self.runner(attempt)
                ),
            }),
            Told::Ended { end, left } => {
                self.ended(attempt, end, left);
                self.drop_if_leaving(&attempt.task);
            }
            Told::Returned(returned) => self.returned(attempt, returned),
            Told::Over => self.crew.over(attempt),
        }
    }

    /// A task that no file names any more is not tried again.
    fn drop_if_leaving(&mut self, id: &str) {
        let state = self.ledger.state();
        let leaves = self.leaving.iter().any(|task| task == id);
        let left = state.index(id).map(|task| state.progress(task));
        if let Some(progress) = left.filter(|_| leaves)
            && progress.open.is_none()
            && progress.state != TaskState::Done
        {
            let task = id.to_owned();
            self.record(Event::TaskDropped { task });
        }
    }

    fn runner(&self, attempt: &AttemptId) -> String {
        self.setting
            .workshop
            .run
            .runner(&attempt.task, attempt.attempt)
    }

    /// Nothing has begun: the task waits for a slot, or for its branch.
    fn without_slot(
        &mut self,
        attempt: &AttemptId,
        pool: String,
        branch: Option<String>,
        reason: String,
    ) {
        self.crew.ended(attempt);
        if !self.is_current(attempt) {
            return;
        }
        self.record(Event::SlotUnavailable {
            attempt: attempt.clone(),
            pool,
            branch: branch.clone(),
            reason: reason.clone(),
        });
        let Some(task) = self.ledger.state().index(&attempt.task) else {
            return;
        };
        let now = clock::now().as_millisecond();
        let poll = self.setting.workshop.rules.poll_interval.as_millis();
        let until = now.saturating_add(i64::try_from(poll).unwrap_or(i64::MAX));
        match branch {
            Some(_) => self.scheduler.without_branch(task, &reason, now, until),
            None => self.scheduler.without_slot(task, now, until),
        }
        if self.ledger.state().progress(task).state != TaskState::Ready {
            self.scheduler.withdraw(task);
        }
    }

    fn question(&mut self, attempt: &AttemptId, question: String, command: String) {
        self.crew.ended(attempt);
        if self.is_current(attempt) {
            let task = Some(attempt.task.clone());
            self.finished(attempt);
            self.record(Event::NeedsAttention {
                task,
                question,
                command,
            });
        }
    }

    /// An attempt whose token is not the current one's changes nothing.
    fn is_current(&mut self, attempt: &AttemptId) -> bool {
        let current = self.ledger.state().is_current(attempt);
        if !current {
            self.record(Event::StaleCompletion {
                attempt: attempt.clone(),
            });
        }
        current
    }

    fn ended(&mut self, attempt: &AttemptId, mut end: End, left: Option<(String, String)>) {
        let brought_about = self.crew.ended(attempt);
        if !self.is_current(attempt) {
            return;
        }
        if let Some(class) = brought_about
            && end.class != EndClass::Done
        {
            end.class = class;
        }
        self.finished(attempt);
        let state = self.ledger.state();
        let Some(task) = state.index(&attempt.task) else {
            return;
        };
        let progress = state.progress(task);
        let agent_pool = progress.open.as_ref().map(|open| open.agent_pool.clone());
        let slot = progress.open.as_ref().and_then(|open| open.slot.as_ref());
        let slot_id = slot.map(SlotRef::id);
        let rules = &self.setting.workshop.rules;
        let next = Next::after(end.class, &state.tasks()[task], progress, rules);
        let class = end.class;
        let event = ending(attempt, self.runner(attempt), slot_id, end, left, next);
        self.record(event);
        if class == EndClass::TryLater
            && let Some(agent_pool) = agent_pool
        {
            self.cool(agent_pool);
        }
        let failed = self.ledger.state().progress(task).state == TaskState::Failed;
        if failed && self.setting.options.fail_fast && matches!(self.course, Course::On) {
            self.course = Course::Failing;
        }
    }

    fn cool(&mut self, agent_pool: String) {
        let rest = self.setting.workshop.rules.cooldown;
        self.record(Event::AgentPoolCooling {
            agent_pool: agent_pool.clone(),
            seconds: rest.as_secs_f64(),
        });
        // Counted from when it is told.
        let now = clock::now().as_millisecond();
        let until = now.saturating_add(i64::try_from(rest.as_millis()).unwrap_or(i64::MAX));
        self.scheduler.cool(&agent_pool, until);
    }

    /// The room of an attempt is free.
    fn finished(&mut self, attempt: &AttemptId) {
        if let Some(task) = self.ledger.state().index(&attempt.task) {
            self.scheduler.finished(task, clock::now().as_millisecond());
        }
    }

    fn returned(&mut self, attempt: &AttemptId, returned: Returned) {
        let Returned {
            slot_id,
            rescue,
            error,
            is_kept,
        } = returned;
        self.record(Event::SlotReleased {
            attempt: attempt.clone(),
            slot_id: slot_id.clone(),
            rescue,
            error: error.clone(),
        });
        let state = self.ledger.state();
        let Some(task) = state.index(&attempt.task) else {
            return;
        };
        match error {
            None => {
                if let Some(repo) = state.tasks()[task].repo.clone() {
                    self.scheduler.repo_free(&repo);
                }
            }
            Some(reason) if is_kept => self.kept(task, &slot_id, &reason),
            Some(_) => {}
        }
    }
}

/// The event that tells an end.
fn ending(
    attempt: &AttemptId,
    runner: String,
    slot_id: Option<String>,
    end: End,
    left: Option<(String, String)>,
    next: Option<Next>,
) -> Event {
    let attempt = attempt.clone();
    let (retry_in, counted) = match next {
        None => {
            let (commit, branch) = left.unzip();
            return Event::RunnerCompleted {
                attempt,
                runner,
                slot_id,
                end,
                commit,
                branch,
            };
        }
        Some(Next::Retry { after, counted }) => (Some(after.as_secs_f64()), counted),
        Some(Next::Failed) => (None, true),
        Some(Next::Cancelled) => (None, false),
    };
    match end.class {
        EndClass::Lost => Event::RunnerLost {
            attempt,
            runner,
            slot_id,
            retry_in,
        },
        _ => Event::RunnerFailed {
            attempt,
            runner,
            slot_id,
            end,
            retry_in,
            counted,
        },
    }
}
