//! What becomes of a run's tasks when its files are read again.

use std::collections::HashMap;

use super::event::Event;
use super::state::{RunState, TaskState};
use super::task::{Initial, Task};

/// What becomes of them.
#[derive(Debug, Default)]
pub struct Joined {
    /// All tasks: they keep their places, and new ones follow.
    pub tasks: Vec<Task>,
    /// What is to be recorded.
    pub events: Vec<Event>,
    /// Those that no file names any more and that run: they are to be dropped when they have ended.
    pub leaving: Vec<String>,
}

/// The tasks of a run whose files now hold `read`. Those that no file names any more are dropped.
pub fn joined(state: &RunState, read: Vec<Task>) -> Joined {
    let (mut events, mut leaving) = (Vec::new(), Vec::new());
    let places = read.iter().enumerate();
    let places: HashMap<_, _> = places
        .map(|(place, task)| (task.id.clone(), place))
        .collect();
    let mut read: Vec<Option<Task>> = read.into_iter().map(Some).collect();
    let mut tasks = Vec::with_capacity(read.len());
    for (index, old) in state.tasks().iter().enumerate() {
        let new = places.get(&old.id).and_then(|place| read[*place].take());
        let stands = state.progress(index).state;
        let dropped = stands == TaskState::Dropped;
        let runs = state.progress(index).open.is_some();
        let task = old.id.to_string();
        match &new {
            Some(_) if dropped => events.push(Event::TaskAdded { task }),
            Some(new) if is_done_elsewhere(old, new, stands) => events.push(Event::Warning {
                text: format!(
                    "task {task} is done, its file says now, which this run has not done: it goes by \
                     its own events, and `dispatch cancel` takes a task out of it"
                ),
            }),
            None if runs => leaving.push(task),
            None if !dropped => events.push(Event::TaskDropped { task }),
            _ => {}
        }
        tasks.push(new.unwrap_or_else(|| old.clone()));
    }
    for new in read.into_iter().flatten() {
        events.push(Event::TaskAdded {
            task: new.id.to_string(),
        });
        tasks.push(new);
    }
    Joined {
        tasks,
        events,
        leaving,
    }
}

/// Whether somebody else has written into a task's file that it is done: this run has not, so it can't
/// have come from here.
fn is_done_elsewhere(old: &Task, new: &Task, stands: TaskState) -> bool {
    let said = new.initial == Initial::Done && old.initial != Initial::Done;
    said && !matches!(stands, TaskState::Done | TaskState::Dropped)
}

#[cfg(test)]
mod tests {
    use super::super::testing::task;
    use super::*;

    #[test]
    fn tasks_keep_their_places_and_what_changed_is_said() {
        let mut state = RunState::new(["a", "b"].map(task).into());
        let Joined { tasks, events, .. } = joined(&state, ["c", "b"].map(task).into());
        let ids: Vec<_> = tasks.iter().map(|task| task.id.to_string()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let said = |task: &str, added: bool| {
            let task = task.to_owned();
            match added {
                true => Event::TaskAdded { task },
                false => Event::TaskDropped { task },
            }
        };
        assert_eq!(events, [said("a", false), said("c", true)]);
        state.redefine(tasks.into(), None);
        for (n, event) in (1..).zip(events) {
            let time = jiff::Timestamp::UNIX_EPOCH;
            state.apply(&super::super::Record { n, time, event });
        }
        let Joined { tasks, events, .. } = joined(&state, ["a", "b", "c"].map(task).into());
        assert_eq!((tasks.len(), events), (3, vec![said("a", true)]));
    }

    #[test]
    fn what_somebody_else_has_done_is_said() {
        let state = RunState::new(["a"].map(task).into());
        let mut done = task("a");
        done.initial = Initial::Done;
        let warned = |read: &Task| joined(&state, vec![read.clone()]).events;
        assert_eq!(warned(&task("a")), []);
        assert!(matches!(&warned(&done)[..], [Event::Warning { .. }]));
        let known = RunState::new([done.clone()].into());
        assert_eq!(joined(&known, vec![done]).events, []);
    }
}
