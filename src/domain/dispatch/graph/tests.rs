use proptest::prelude::*;

use super::*;
use crate::domain::dispatch::testing::after;

fn graph(tasks: &[Task]) -> Graph {
    Graph::of(tasks, &places(tasks))
}

#[test]
fn dependencies_are_known_in_both_directions_and_once_each() {
    let tasks = [
        after("a", &["c", "b", "c", "unknown"]),
        after("b", &[]),
        after("c", &["b"]),
    ];
    let graph = graph(&tasks);
    assert_eq!(graph.depends(0).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(graph.dependents(1).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(graph.heights(), [0, 2, 1]);
    assert!(graph.cycles().is_empty());
}

#[test]
fn cycles_are_paths_without_what_only_waits_for_them() {
    let tasks = [
        after("waits", &["a"]),
        after("a", &["free", "b"]),
        after("b", &["c"]),
        after("c", &["a"]),
        after("free", &[]),
        after("self", &["self"]),
    ];
    assert_eq!(graph(&tasks).cycles(), [vec![1, 2, 3], vec![5]]);
}

proptest! {
    #[test]
    fn a_graph_has_cycles_exactly_if_some_task_comes_after_itself(
        edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..12),
    ) {
        let mut reach = [[false; 8]; 8];
        let mut depends = vec![Vec::new(); 8];
        for (from, to) in &edges {
            reach[*from][*to] = true;
            depends[*from].push(to.to_string());
        }
        for via in 0..8 {
            for from in 0..8 {
                for to in 0..8 {
                    reach[from][to] |= reach[from][via] && reach[via][to];
                }
            }
        }
        let tasks: Vec<Task> = depends
            .iter()
            .enumerate()
            .map(|(id, on)| after(&id.to_string(), &on.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        let graph = graph(&tasks);
        let cycles = graph.cycles();
        prop_assert_eq!(!cycles.is_empty(), (0..8).any(|task| reach[task][task]));
        for cycle in cycles {
            for (place, task) in cycle.iter().enumerate() {
                let next = cycle[(place + 1) % cycle.len()];
                prop_assert!(edges.contains(&(*task, next)), "{cycle:?}");
            }
        }
    }
}
