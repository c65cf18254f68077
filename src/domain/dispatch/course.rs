//! Whether a run goes on, and what it comes to.

use super::state::{Index, RunState, TaskState};

/// The tasks that a dispatcher is to run.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only these, if some were named.
    only: Option<Vec<bool>>,
}

impl Scope {
    /// Those tasks and what they depend on; all, if none is named.
    ///
    /// # Errors
    /// The id that no task has.
    pub fn of(state: &RunState, only: &[String]) -> Result<Self, String> {
        if only.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted = vec![false; state.tasks().len()];
        let find = |id: &String| state.index(id).ok_or_else(|| id.clone());
        let mut open: Vec<Index> = only.iter().map(find).collect::<Result<_, _>>()?;
        while let Some(task) = open.pop() {
            if !std::mem::replace(&mut wanted[task], true) {
                open.extend(state.graph().depends(task));
            }
        }
        Ok(Self { only: Some(wanted) })
    }

    /// Whether a task is among them.
    pub fn has(&self, task: Index) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|wanted| wanted.get(task).copied().unwrap_or(false))
    }

    /// How many of them are in one of these states.
    fn count(&self, state: &RunState, states: &[TaskState]) -> usize {
        let one = |wanted: &TaskState| match &self.only {
            None => state.count(*wanted),
            Some(_) => state
                .in_state(*wanted)
                .filter(|task| self.has(*task))
                .count(),
        };
        states.iter().map(one).sum()
    }

    /// Whether nothing is left that can still run by itself.
    pub fn is_over(&self, state: &RunState) -> bool {
        use TaskState::{Ready, Retrying, Running, Waiting};
        self.count(state, &[Running, Ready, Retrying, Waiting]) == 0
    }

    /// The exit code of a run that ends so: 0 all done, 4 a person is needed, 1 anything else.
    pub fn code(&self, state: &RunState) -> u8 {
        use TaskState::{Done, Dropped, NeedsAttention};
        let rest = TaskState::ALL
            .into_iter()
            .filter(|s| !matches!(s, Done | Dropped));
        if self.count(state, &[NeedsAttention]) > 0 || state.run().question.is_some() {
            4
        } else if self.count(state, &rest.collect::<Vec<_>>()) > 0 {
            1
        } else {
            0
        }
    }
}
