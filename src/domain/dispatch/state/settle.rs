//! Where changes put tasks, and with them those that wait for them.

use jiff::Timestamp;

use super::{Changes, ForDependents, Index, RunState, TaskState, by_dependencies};

impl RunState {
    /// Puts a task into a state, and those that wait for it where that puts them. That it is to wait,
    /// or is ready, holds only as far as its own dependencies allow it.
    pub(super) fn put(
        &mut self,
        task: Index,
        state: TaskState,
        at: Option<Timestamp>,
        changes: &mut Changes,
    ) {
        let mut affected = vec![task];
        self.enter(task, state, at, changes, &mut affected);
        while let Some(task) = affected.pop() {
            self.step(task, at, changes, &mut affected);
        }
    }

    /// Puts a task where its dependencies put it, if it stands where it does because of them.
    fn recheck(&mut self, task: Index, at: Option<Timestamp>, changes: &mut Changes) {
        let mut affected = vec![task];
        while let Some(task) = affected.pop() {
            self.step(task, at, changes, &mut affected);
        }
    }

    fn step(
        &mut self,
        task: Index,
        at: Option<Timestamp>,
        changes: &mut Changes,
        affected: &mut Vec<Index>,
    ) {
        if self.progress[task].state.follows_dependencies() {
            let state = by_dependencies(self.tasks[task].when, self.open[task], self.bad[task]);
            self.enter(task, state, at, changes, affected);
        }
    }

    /// Changes one task's state; those that may be affected by that are added to `affected`.
    fn enter(
        &mut self,
        task: Index,
        state: TaskState,
        at: Option<Timestamp>,
        changes: &mut Changes,
        affected: &mut Vec<Index>,
    ) {
        let progress = &mut self.progress[task];
        let old = std::mem::replace(&mut progress.state, state);
        if old == state {
            return;
        }
        progress.since = at;
        self.counts[old as usize] -= 1;
        self.counts[state as usize] += 1;
        if state != TaskState::Retrying
            && let Some(time) = progress.retry_at.take()
        {
            self.retries.remove(&(time, task));
        }
        match (old, state) {
            (_, TaskState::Ready) => {
                progress.ready_at = at;
                changes.ready.push(task);
            }
            (TaskState::Ready, TaskState::Running) => {}
            (TaskState::Ready, _) => {
                progress.ready_at = None;
                match changes.ready.iter().position(|ready| *ready == task) {
                    Some(place) => drop(changes.ready.remove(place)),
                    None => changes.withdrawn.push(task),
                }
            }
            _ => {}
        }
        self.tell_dependents(task, old.for_dependents(), state.for_dependents(), affected);
    }

    fn tell_dependents(
        &mut self,
        task: Index,
        old: ForDependents,
        new: ForDependents,
        affected: &mut Vec<Index>,
    ) {
        if old == new {
            return;
        }
        for dependent in self.graph.dependents(task) {
            match old {
                ForDependents::Open => self.open[dependent] -= 1,
                ForDependents::Bad => self.bad[dependent] -= 1,
                ForDependents::Good => {}
            }
            match new {
                ForDependents::Open => self.open[dependent] += 1,
                ForDependents::Bad => self.bad[dependent] += 1,
                ForDependents::Good => {}
            }
            affected.push(dependent);
        }
    }

    /// Counts everything anew, and puts every task where it belongs.
    pub(super) fn settle_all(&mut self, now: Option<Timestamp>) {
        let before: Vec<_> = self
            .progress
            .iter()
            .map(|progress| (progress.state, progress.since, progress.ready_at))
            .collect();
        self.counts = Default::default();
        for progress in &mut self.progress {
            if progress.state.follows_dependencies() {
                progress.state = TaskState::Waiting;
            }
            self.counts[progress.state as usize] += 1;
        }
        (self.open, self.bad) = (vec![0; self.tasks.len()], vec![0; self.tasks.len()]);
        for task in 0..self.tasks.len() {
            for dependency in self.graph.depends(task) {
                match self.progress[dependency].state.for_dependents() {
                    ForDependents::Open => self.open[task] += 1,
                    ForDependents::Bad => self.bad[task] += 1,
                    ForDependents::Good => {}
                }
            }
        }
        let mut changes = Changes::default();
        for task in 0..self.tasks.len() {
            self.recheck(task, now, &mut changes);
        }
        for (progress, (state, since, ready_at)) in self.progress.iter_mut().zip(before) {
            if progress.state != state {
                progress.since = now;
                continue;
            }
            progress.since = since;
            if state == TaskState::Ready {
                progress.ready_at = ready_at;
            }
        }
    }
}
