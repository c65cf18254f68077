//! Who waits for whom.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use super::state::Index;
use super::task::Task;

/// The place of each id.
pub fn places(tasks: &[Task]) -> HashMap<Arc<str>, Index> {
    let ids = tasks.iter().enumerate();
    ids.map(|(place, task)| (task.id.clone(), place)).collect()
}

/// The dependencies among tasks, in both directions.
///
/// Ids that no task has are left out: whoever reads files refuses them.
#[derive(Debug, Clone)]
pub struct Graph {
    depends: Lists,
    dependents: Lists,
}

impl Graph {
    /// The graph of these tasks, whose places are `places`.
    pub fn of(tasks: &[Task], places: &HashMap<Arc<str>, Index>) -> Self {
        let depends = Lists::collect(tasks.iter().map(|task| {
            let ids = task.depends.iter();
            let mut found: Vec<u32> = ids.filter_map(|id| Some(*places.get(id)? as u32)).collect();
            // Once each, in the order in which they are named.
            if found.len() > 1 {
                let mut seen = std::collections::HashSet::new();
                found.retain(|place| seen.insert(*place));
            }
            found
        }));
        Self {
            dependents: depends.turned(),
            depends,
        }
    }

    /// What a task waits for, in the order in which it names them.
    pub fn depends(&self, task: Index) -> impl Iterator<Item = Index> + '_ {
        self.depends.of(task).iter().map(|place| *place as Index)
    }

    /// What waits for a task, in the order of their places.
    pub fn dependents(&self, task: Index) -> impl Iterator<Item = Index> + '_ {
        self.dependents.of(task).iter().map(|place| *place as Index)
    }

    /// Cycles, each as the path along which a task waits for the next and the last for the first:
    /// one at least of each knot, none twice.
    pub fn cycles(&self) -> Vec<Vec<Index>> {
        let (_, open) = self.order();
        let mut visits = vec![0_u32; open.len()];
        let mut cycles = Vec::new();
        for start in (0..open.len()).filter(|task| open[*task] > 0) {
            let (visit, mut path, mut at) = (start as u32 + 1, Vec::new(), start);
            // What is in no order waits for at least one other that is in none either.
            while visits[at] == 0 {
                visits[at] = visit;
                path.push(at);
                let next = self.depends(at).find(|dependency| open[*dependency] > 0);
                at = next.unwrap_or(at);
            }
            if visits[at] == visit
                && let Some(first) = path.iter().position(|task| *task == at)
            {
                cycles.push(path.split_off(first));
            }
        }
        cycles
    }

    /// For each task the length of the longest path of tasks that wait for it, and for each other.
    pub fn heights(&self) -> Vec<u32> {
        let (order, _) = self.order();
        let mut heights = vec![0; self.depends.len()];
        for task in order.into_iter().rev() {
            let above = heights[task] + 1;
            for dependency in self.depends(task) {
                heights[dependency] = above.max(heights[dependency]);
            }
        }
        heights
    }

    /// The tasks with each after all that it depends on, and for each task how many of its
    /// dependencies have no place in that order: more than none if a cycle is in the way.
    fn order(&self) -> (Vec<Index>, Vec<u32>) {
        let tasks = 0..self.depends.len();
        let mut open: Vec<u32> = tasks
            .clone()
            .map(|t| self.depends.of(t).len() as u32)
            .collect();
        let mut order: Vec<Index> = tasks.filter(|task| open[*task] == 0).collect();
        let mut next = 0;
        while let Some(&task) = order.get(next) {
            next += 1;
            for dependent in self.dependents(task) {
                open[dependent] -= 1;
                if open[dependent] == 0 {
                    order.push(dependent);
                }
            }
        }
        (order, open)
    }
}

/// A list of places for each task, all in one piece of memory.
#[derive(Debug, Clone)]
struct Lists {
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Lists {
    fn collect(lists: impl Iterator<Item = Vec<u32>>) -> Self {
        let (mut starts, mut places) = (vec![0], Vec::new());
        for list in lists {
            places.extend(list);
            starts.push(places.len() as u32);
        }
        Self { starts, places }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, task: Index) -> &[u32] {
        &self.places[self.starts[task] as usize..self.starts[task + 1] as usize]
    }

    /// For each task those whose lists name it.
    fn turned(&self) -> Self {
        let mut starts = vec![0_u32; self.len() + 1];
        for place in &self.places {
            starts[*place as usize + 1] += 1;
        }
        for task in 0..self.len() {
            starts[task + 1] += starts[task];
        }
        let (mut next, mut places) = (starts.clone(), vec![0; self.places.len()]);
        for task in 0..self.len() {
            for place in self.of(task) {
                let free = &mut next[*place as usize];
                places[*free as usize] = task as u32;
                *free += 1;
            }
        }
        Self { starts, places }
    }
}
