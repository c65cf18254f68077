//! Tasks that declare the same file do not run at the same time.
//!
//! A task whose file is held waits at the file and not in the queue, where it would be in others'
//! way. Of a class of tasks only the first that wants a free file stands in the queue; it is their
//! *scout*, and the others wait behind it: so the end of a task brings one task per class back, and
//! not all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::state::Index;
use super::key::Key;
use super::queue::Class;

/// How long a task whose turn has come, but for its files, is passed by others that need fewer; then
/// it claims its files, and none of those behind it gets them.
pub const PATIENCE: i64 = 60_000;

/// A file's number.
type File = u32;

/// All files that ready and running tasks declare.
#[derive(Debug, Default)]
pub struct Files {
    numbers: HashMap<(Option<Arc<str>>, Arc<str>), File>,
    list: Vec<State>,
    of_task: HashMap<Index, Box<[File]>>,
    /// Since when tasks are passed by others.
    passed_since: HashMap<Index, i64>,
}

#[derive(Debug)]
struct State {
    name: Arc<str>,
    /// Who has it: one task, more only if they ran already when this dispatcher began.
    holders: BTreeSet<Index>,
    /// Who gets it next, whoever else would be first otherwise.
    claim: Option<Key>,
    lines: BTreeMap<Class, Line>,
}

#[derive(Debug, Default)]
struct Line {
    scouts: BTreeSet<Key>,
    waiting: BTreeSet<Key>,
}

/// Why a task can't have a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Another task runs that has it.
    Held(Index),
    /// A task that goes first waits for it.
    Claimed(Index),
}

impl Files {
    /// Makes the files of a task known; a path is another file in another repository.
    pub fn declare(&mut self, task: Index, repo: Option<&Arc<str>>, files: &[Arc<str>]) {
        if files.is_empty() || self.of_task.contains_key(&task) {
            return;
        }
        let mut own: Vec<File> = Vec::with_capacity(files.len());
        for name in files {
            let next = self.list.len() as File;
            let key = (repo.cloned(), name.clone());
            let number = *self.numbers.entry(key).or_insert(next);
            if number == next {
                self.list.push(State {
                    name: name.clone(),
                    holders: BTreeSet::new(),
                    claim: None,
                    lines: BTreeMap::new(),
                });
            }
            own.push(number);
        }
        own.sort_unstable();
        own.dedup();
        self.of_task.insert(task, own.into());
    }

    /// Lets a ready task into the queue, or has it wait at a file: then `false`.
    pub fn admit(&mut self, key: Key, class: Class) -> bool {
        let Some(files) = self.of_task.get(&key.task()) else {
            return true;
        };
        let behind = |file: &File| {
            let line = self.list[*file as usize].lines.get(&class);
            line.and_then(|line| line.scouts.first())
                .is_some_and(|scout| *scout < key)
        };
        let file = files
            .iter()
            .find(|file| self.list[**file as usize].taken(key).is_some() || behind(file))
            .copied();
        match file {
            Some(file) => {
                self.list[file as usize].line(class).waiting.insert(key);
            }
            None => {
                for file in files {
                    self.list[*file as usize].line(class).scouts.insert(key);
                }
            }
        }
        file.is_none()
    }

    /// Why a task can't have its files now.
    pub fn obstacle(&self, key: Key) -> Option<Taken> {
        let files = self.of_task.get(&key.task())?;
        files
            .iter()
            .find_map(|file| self.list[*file as usize].taken(key))
    }

    /// Every file that a task can't have, with the reason; at those that it could have, the scout
    /// it waits behind.
    pub fn obstacles(&self, key: Key, class: Class) -> Vec<(Arc<str>, Taken)> {
        let files = self.of_task.get(&key.task()).into_iter().flatten();
        files
            .filter_map(|file| {
                let state = &self.list[*file as usize];
                let scout = || {
                    let first = state.lines.get(&class)?.scouts.first()?;
                    (*first < key).then(|| Taken::Claimed(first.task()))
                };
                Some((state.name.clone(), state.taken(key).or_else(scout)?))
            })
            .collect()
    }

    /// It would be a task's turn, but one of its files is taken. If that goes on for too long, it
    /// claims them all.
    pub fn passed(&mut self, key: Key, now: i64) {
        let since = *self.passed_since.entry(key.task()).or_insert(now);
        if now.saturating_sub(since) < PATIENCE {
            return;
        }
        for file in self.of_task.get(&key.task()).into_iter().flatten() {
            let claim = &mut self.list[*file as usize].claim;
            if claim.is_none_or(|other| key < other) {
                *claim = Some(key);
            }
        }
    }

    /// Takes over since when some tasks are passed, whose places are the same.
    pub fn take_over(&mut self, earlier: &Self, which: impl Fn(Index) -> bool) {
        let known = earlier.passed_since.iter();
        self.passed_since
            .extend(known.filter(|(task, _)| which(**task)));
    }

    /// A ready task leaves the queue or the file it waits at. Returns its files.
    pub fn leave(&mut self, key: Key, class: Class) -> Box<[File]> {
        let files = self.of_task.get(&key.task()).cloned().unwrap_or_default();
        for file in &files {
            let state = &mut self.list[*file as usize];
            if let Some(line) = state.lines.get_mut(&class) {
                line.scouts.remove(&key);
                line.waiting.remove(&key);
                if line.scouts.is_empty() && line.waiting.is_empty() {
                    state.lines.remove(&class);
                }
            }
        }
        files
    }

    /// A task gives up what it has claimed: it runs, or is ready no more.
    pub fn unclaim(&mut self, task: Index) {
        self.passed_since.remove(&task);
        for file in self.of_task.get(&task).into_iter().flatten() {
            let state = &mut self.list[*file as usize];
            if state.claim.is_some_and(|claim| claim.task() == task) {
                state.claim = None;
            }
        }
    }

    /// A task that runs has its files.
    pub fn hold(&mut self, task: Index) {
        for file in self.of_task.get(&task).into_iter().flatten() {
            self.list[*file as usize].holders.insert(task);
        }
    }

    /// A task that ran gives its files back. Returns them.
    pub fn release(&mut self, task: Index) -> Box<[File]> {
        let files = self.of_task.remove(&task).unwrap_or_default();
        for file in &files {
            self.list[*file as usize].holders.remove(&task);
        }
        files
    }

    /// Lets those tasks go on that wait at these files for nothing. Returns them as they enter the
    /// queue.
    pub fn wake(&mut self, files: &[File], now: i64) -> Vec<(Key, Class)> {
        let mut woken = Vec::new();
        for file in files {
            let state = &self.list[*file as usize];
            if !state.holders.is_empty() {
                continue;
            }
            let classes: Vec<Class> = state.lines.keys().copied().collect();
            for class in classes {
                while let Some(key) = self.first_in_vain(*file, class) {
                    self.list[*file as usize].line(class).waiting.remove(&key);
                    if self.obstacle(key).is_some() {
                        self.passed(key, now);
                    }
                    if self.admit(key, class) {
                        woken.push((key, class));
                    }
                }
            }
        }
        woken
    }

    /// The first task of a class that waits at a file although it could have it.
    fn first_in_vain(&self, file: File, class: Class) -> Option<Key> {
        let state = &self.list[file as usize];
        let line = state.lines.get(&class)?;
        let key = *line.waiting.first()?;
        let behind = line.scouts.first().is_some_and(|scout| *scout < key);
        (!behind && state.taken(key).is_none()).then_some(key)
    }
}

impl State {
    fn taken(&self, key: Key) -> Option<Taken> {
        let holder = self.holders.first().map(|task| Taken::Held(*task));
        holder.or_else(|| {
            let claim = self.claim.filter(|claim| *claim < key)?;
            Some(Taken::Claimed(claim.task()))
        })
    }

    fn line(&mut self, class: Class) -> &mut Line {
        self.lines.entry(class).or_default()
    }
}
