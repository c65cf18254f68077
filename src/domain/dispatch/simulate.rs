//! What a run would do if every task were done at its first attempt: the plan of `--dry-run`.
//!
//! It is made by the same scheduler and the same state that a run goes by: only the ends are made up.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::agents::{AgentPool, Rules};
use super::course::Scope;
use super::end::{End, EndClass};
use super::event::{AttemptId, Event, Record};
use super::scheduler::{Placement, Reason, Scheduler, why};
use super::state::{Changes, Index, RunState, TaskState};
use super::task::Task;

/// One task of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When it begins, counted from the beginning of the run.
    pub after: Duration,
    /// Which task.
    pub task: Index,
    /// Where it runs.
    pub agent_pool: Arc<str>,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What begins, in this order.
    pub steps: Vec<Step>,
    /// What never begins, and why.
    pub left: Vec<(Index, Vec<Reason>)>,
}

/// The plan for the tasks of `scope` in a run, from where it stands, with tasks that take as long as
/// `lasts` says.
pub fn simulate(
    state: &RunState,
    scope: &Scope,
    agent_pools: &[AgentPool],
    rules: &Rules,
    start: Timestamp,
    lasts: impl Fn(&Task) -> Duration,
) -> Plan {
    let mut simulation = Simulation::from(state, scope, agent_pools, rules, start);
    let mut plan = Plan::default();
    loop {
        simulation.due();
        while let Some(placement) = simulation.place(&lasts) {
            plan.steps.push(Step {
                after: Duration::try_from(simulation.now.duration_since(start)).unwrap_or_default(),
                task: placement.task,
                agent_pool: placement.agent_pool,
            });
        }
        if !simulation.advance() {
            break;
        }
    }
    let Simulation {
        state,
        mut scheduler,
        now,
        ..
    } = simulation;
    use TaskState::{Blocked, NeedsAttention, Ready, Waiting};
    plan.left = (0..state.tasks().len())
        .filter(|task| {
            let state = state.progress(*task).state;
            scope.has(*task) && matches!(state, Waiting | Ready | Blocked | NeedsAttention)
        })
        .map(|task| (task, why(&state, &mut scheduler, task, now)))
        .collect();
    plan
}

struct Simulation<'s> {
    state: RunState,
    scope: &'s Scope,
    scheduler: Scheduler,
    now: Timestamp,
    /// Attempts under way by their ends.
    ends: BTreeSet<(Timestamp, u64, AttemptId)>,
}

impl<'s> Simulation<'s> {
    fn from(
        state: &RunState,
        scope: &'s Scope,
        agent_pools: &[AgentPool],
        rules: &Rules,
        start: Timestamp,
    ) -> Self {
        let mut state = state.clone();
        let first = Record {
            n: state.run().last_number + 1,
            time: start,
            event: Event::RunStarted {
                pid: 0,
                policy: String::new(),
                tasks: state.tasks().len() as u64,
            },
        };
        state.apply(&first);
        // Nobody knows how much longer they take.
        let open = state
            .open()
            .map(|(_, open)| (start, open.id.token, open.id.clone()));
        let mut scheduler = Scheduler::resume(&state, agent_pools, rules);
        for task in state.ready().filter(|task| !scope.has(*task)) {
            scheduler.withdraw(task);
        }
        Self {
            ends: open.collect(),
            scheduler,
            now: start,
            scope,
            state,
        }
    }

    fn tell(&mut self, event: Event) -> Changes {
        let record = Record {
            n: self.state.run().last_number + 1,
            time: self.now,
            event,
        };
        self.state.apply(&record)
    }

    fn follow(&mut self, ready: &[Index]) {
        for task in ready.iter().filter(|task| self.scope.has(**task)) {
            let ready_at = self.state.progress(*task).ready_at.unwrap_or(self.now);
            self.scheduler.ready(*task, ready_at.as_millisecond());
        }
    }

    fn due(&mut self) {
        let ready = self.state.due(self.now);
        self.follow(&ready);
    }

    fn place(&mut self, lasts: &impl Fn(&Task) -> Duration) -> Option<Placement> {
        let placement = self.scheduler.next(self.now.as_millisecond())?;
        self.scheduler.with_slot(placement.task);
        let task = &self.state.tasks()[placement.task];
        let attempt = AttemptId {
            task: task.id.to_string(),
            attempt: self.state.progress(placement.task).attempt + 1,
            token: self.state.run().last_token + 1,
        };
        let end = self.now.checked_add(lasts(task)).unwrap_or(Timestamp::MAX);
        self.ends.insert((end, attempt.token, attempt.clone()));
        self.tell(Event::TaskAssigned {
            attempt,
            runner: String::new(),
            agent_pool: placement.agent_pool.to_string(),
        });
        Some(placement)
    }

    /// Goes on to the next moment at which something changes; `false`: there is none.
    fn advance(&mut self) -> bool {
        let end = self.ends.first().map(|(time, ..)| *time);
        let wakes = self.scheduler.wakes_at(self.now.as_millisecond());
        let wakes = wakes.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let times = [end, wakes, self.state.next_due()];
        let Some(next) = times.into_iter().flatten().min() else {
            return false;
        };
        self.now = next.max(self.now);
        while let Some((time, ..)) = self.ends.first()
            && *time <= self.now
            && let Some((.., attempt)) = self.ends.pop_first()
        {
            self.done(attempt);
        }
        true
    }

    fn done(&mut self, attempt: AttemptId) {
        if let Some(task) = self.state.index(&attempt.task) {
            self.scheduler.finished(task, self.now.as_millisecond());
        }
        let changes = self.tell(Event::RunnerCompleted {
            attempt,
            runner: String::new(),
            slot_id: None,
            end: End {
                class: EndClass::Done,
                exit_code: Some(0),
                signal: None,
                reason: None,
                seconds: 0.0,
            },
            commit: None,
            branch: None,
        });
        self.follow(&changes.ready);
    }
}
