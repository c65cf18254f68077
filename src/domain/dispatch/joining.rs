//! What becomes of a run's tasks when its files are read again.

use std::collections::HashMap;

use super::event::Event;
use super::state::{RunState, TaskState};
use super::task::Task;

/// The tasks of a run whose files now hold `read`, and what is to be recorded. Tasks keep their places;
/// those that no file names any more are dropped, but for those that run; new ones follow.
pub fn joined(state: &RunState, read: Vec<Task>) -> (Vec<Task>, Vec<Event>) {
    let mut events = Vec::new();
    let places = read.iter().enumerate();
    let places: HashMap<_, _> = places
        .map(|(place, task)| (task.id.clone(), place))
        .collect();
    let mut read: Vec<Option<Task>> = read.into_iter().map(Some).collect();
    let mut tasks = Vec::with_capacity(read.len());
    for (index, old) in state.tasks().iter().enumerate() {
        let new = places.get(&old.id).and_then(|place| read[*place].take());
        let dropped = state.progress(index).state == TaskState::Dropped;
        let runs = state.progress(index).open.is_some();
        let task = old.id.to_string();
        match &new {
            Some(_) if dropped => events.push(Event::TaskAdded { task }),
            None if !dropped && !runs => events.push(Event::TaskDropped { task }),
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
    (tasks, events)
}

#[cfg(test)]
mod tests {
    use super::super::testing::task;
    use super::*;

    #[test]
    fn tasks_keep_their_places_and_what_changed_is_said() {
        let mut state = RunState::new(["a", "b"].map(task).into());
        let (tasks, events) = joined(&state, ["c", "b"].map(task).into());
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
        let (tasks, events) = joined(&state, ["a", "b", "c"].map(task).into());
        assert_eq!((tasks.len(), events), (3, vec![said("a", true)]));
    }
}
