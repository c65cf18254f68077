//! Tasks that commit to the same branch of the same repository: one at a time, each on top of what
//! was left there last.

use std::collections::HashMap;

use super::state::Index;
use super::task::Task;

/// Who shares a branch with whom.
#[derive(Debug, Clone, Default)]
pub struct Branches {
    list_of: HashMap<Index, usize>,
    lists: Vec<Vec<Index>>,
}

impl Branches {
    /// Those of these tasks.
    pub fn of(tasks: &[Task]) -> Self {
        // Unless files say otherwise each has its own.
        if tasks.iter().all(|task| task.branch.is_none()) {
            return Self::default();
        }
        let mut by_branch: HashMap<_, Vec<Index>> = HashMap::new();
        for (index, task) in tasks.iter().enumerate() {
            if let Some(repo) = &task.repo {
                let branch = (repo, task.branch_name());
                by_branch.entry(branch).or_default().push(index);
            }
        }
        let shared = by_branch.into_values().filter(|list| list.len() > 1);
        let lists: Vec<Vec<Index>> = shared.collect();
        let members = lists.iter().enumerate();
        let list_of = members.flat_map(|(n, list)| list.iter().map(move |task| (*task, n)));
        Self {
            list_of: list_of.collect(),
            lists,
        }
    }

    /// The tasks that share a branch with this one, itself among them, in their order; none if it has
    /// a branch of its own.
    pub fn sharing(&self, task: Index) -> &[Index] {
        self.list_of.get(&task).map_or(&[], |n| &self.lists[*n])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dispatch::testing::task;

    #[test]
    fn a_branch_is_shared_within_a_repository_whoever_names_it() {
        let on = |id: &str, repo: &str, branch: Option<&str>| Task {
            repo: Some(repo.into()),
            branch: branch.map(Into::into),
            ..task(id)
        };
        let tasks = [
            on("1", "app", Some("one")),
            on("2", "app", None),
            on("3", "other", Some("one")),
            on("4", "app", Some("one")),
            on("5", "app", Some("rp/2")),
            Task {
                branch: Some("one".into()),
                ..task("6")
            },
        ];
        let branches = Branches::of(&tasks);
        let shared: Vec<&[Index]> = (0..tasks.len()).map(|t| branches.sharing(t)).collect();
        let none: &[Index] = &[];
        assert_eq!(shared, [&[0, 3][..], &[1, 4], none, &[0, 3], &[1, 4], none]);
    }
}
