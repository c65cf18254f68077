//! Ready tasks, put together so that the first that can go is found without looking at those that
//! can't.
//!
//! Tasks of a *class* come from one repository and ask for the same; classes that differ in the
//! repository only are a *unit*: where the first of a unit can't go for lack of room, none of it
//! can. Classes whose repository has no free slot stand aside.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use super::key::Key;

/// A class's number.
pub type Class = u32;

/// What all tasks of a unit have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The agent pools they can go to: a lane's number.
    pub lane: u32,
    /// Their group of `fair-share`.
    pub share: u32,
    /// What each asks for, in thousandths of a processor; 0 where no agent pool counts that.
    pub cpu: u32,
    /// What each asks for, in bytes; likewise.
    pub memory: u64,
}

/// Whether a repository has slots, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Nothing speaks against it.
    Open,
    /// At some time there was none: only as many tasks go as slots are known to be free.
    Scarce {
        /// Since when none was free.
        since: i64,
        /// How many have come back, or are believed to be there.
        known: u32,
        /// When it is asked again, with one task, if none comes back: others may have freed some.
        asked_at: i64,
        /// Whether the one that is believed to be there is only a question.
        asking: bool,
    },
}

/// All classes, units and repositories.
#[derive(Debug, Default)]
pub struct Queue {
    classes: Numbered<(u32, Option<u32>), Members>,
    units: Numbered<Shape, BTreeSet<(Key, Class)>>,
    repositories: Numbered<Arc<str>, Repository>,
    /// When repositories without slots are asked again.
    asking: BTreeSet<(i64, u32)>,
    len: usize,
}

/// The ready tasks of a class.
#[derive(Debug, Default)]
struct Members {
    unit: u32,
    repository: Option<u32>,
    tasks: BTreeSet<Key>,
}

#[derive(Debug)]
struct Repository {
    door: Door,
    classes: Vec<Class>,
}

/// The first task of a unit.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// What it asks for.
    pub shape: &'a Shape,
    /// Its place in the order.
    pub key: Key,
    /// Its class.
    pub class: Class,
}

impl Queue {
    /// The class of tasks of this shape and repository.
    pub fn class(&mut self, shape: Shape, repository: Option<&Arc<str>>) -> Class {
        let unit = self.units.number(shape, BTreeSet::new);
        let repository = repository.map(|name| self.repository(name));
        let class = self.classes.number((unit, repository), || Members {
            unit,
            repository,
            tasks: BTreeSet::new(),
        });
        if let Some(repository) = repository {
            let classes = &mut self.repositories.list[repository as usize].1.classes;
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        class
    }

    /// What the tasks of a class ask for.
    pub fn shape(&self, class: Class) -> &Shape {
        let unit = self.classes.list[class as usize].1.unit;
        &self.units.list[unit as usize].0
    }

    /// How many tasks stand in the queue.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A task takes its place.
    pub fn insert(&mut self, class: Class, key: Key) {
        self.change(class, |tasks| tasks.insert(key));
        self.len += 1;
    }

    /// A task leaves; `false` if it was not there.
    pub fn remove(&mut self, class: Class, key: Key) -> bool {
        let was_there = self.change(class, |tasks| tasks.remove(&key));
        self.len -= usize::from(was_there);
        was_there
    }

    /// Changes a class, and the unit's knowledge of the class's first task.
    fn change(&mut self, class: Class, change: impl FnOnce(&mut BTreeSet<Key>) -> bool) -> bool {
        let repository = self.classes.list[class as usize].1.repository;
        let stands_aside = repository.is_some_and(|repository| self.is_shut(repository));
        let members = &mut self.classes.list[class as usize].1;
        let before = members.tasks.first().copied();
        let changed = change(&mut members.tasks);
        let after = members.tasks.first().copied();
        if before != after && !stands_aside {
            let heads = &mut self.units.list[members.unit as usize].1;
            before.map(|key| heads.remove(&(key, class)));
            after.map(|key| heads.insert((key, class)));
        }
        changed
    }

    /// The first task of each unit that has any.
    pub fn heads(&self) -> impl Iterator<Item = Head<'_>> {
        self.units.list.iter().filter_map(|(shape, heads)| {
            let (key, class) = *heads.first()?;
            Some(Head { shape, key, class })
        })
    }

    /// All tasks that stand in the queue, with their classes.
    pub fn all(&self) -> impl Iterator<Item = (Key, Class)> + '_ {
        let classes = self.classes.list.iter().zip(0..);
        classes.flat_map(|((_, members), class)| members.tasks.iter().map(move |key| (*key, class)))
    }

    /// The door of a task's repository.
    pub fn door(&self, class: Class) -> Door {
        let repository = self.classes.list[class as usize].1.repository;
        repository.map_or(Door::Open, |r| self.repositories.list[r as usize].1.door)
    }

    /// A task of that class has been given away, which is to get a slot. Whether it only asks.
    pub fn taken(&mut self, class: Class, asked_at: i64) -> bool {
        let repository = self.classes.list[class as usize].1.repository;
        let (
            Some(repository),
            Door::Scarce {
                since,
                known,
                asking,
                ..
            },
        ) = (repository, self.door(class))
        else {
            return false;
        };
        let door = Door::Scarce {
            since,
            known: known.saturating_sub(1),
            asked_at,
            asking: false,
        };
        self.set_door(repository, door);
        asking
    }

    /// A slot of a repository is free again.
    pub fn freed(&mut self, name: &Arc<str>) {
        self.one_more(name, false);
    }

    /// A task that only asked got a slot: another one may ask at once.
    pub fn asked(&mut self, name: &Arc<str>) {
        self.one_more(name, true);
    }

    fn one_more(&mut self, name: &Arc<str>, question: bool) {
        if let Some(repository) = self.repositories.find(name)
            && let Door::Scarce { known, .. } = self.repositories.list[repository as usize].1.door
        {
            self.know(repository, known + 1, question);
        }
    }

    /// A repository has no free slot, and is not asked again before then.
    pub fn shut(&mut self, name: &Arc<str>, now: i64, asked_at: i64) {
        let repository = self.repository(name);
        let since = match self.repositories.list[repository as usize].1.door {
            Door::Scarce {
                since, known: 0, ..
            } => since,
            _ => now,
        };
        let door = Door::Scarce {
            since,
            known: 0,
            asked_at,
            asking: false,
        };
        self.set_door(repository, door);
    }

    /// Lets one task ask where the time to ask again has come.
    pub fn reopen(&mut self, now: i64) {
        while let Some((asked_at, repository)) = self.asking.first().copied()
            && asked_at <= now
        {
            self.know(repository, 1, true);
        }
    }

    /// When a repository is asked again for which tasks wait.
    pub fn reopens_at(&self, is_lost: &dyn Fn(&str) -> bool) -> Option<i64> {
        let waiting = |repository: u32| {
            let (name, repository) = &self.repositories.list[repository as usize];
            let mut classes = repository.classes.iter();
            !is_lost(name)
                && classes.any(|class| !self.classes.list[*class as usize].1.tasks.is_empty())
        };
        let mut times = self.asking.iter();
        times
            .find(|(_, repository)| waiting(*repository))
            .map(|(time, _)| *time)
    }

    /// So many free slots of a repository are known, or one is asked for.
    fn know(&mut self, repository: u32, free: u32, question: bool) {
        if let Door::Scarce {
            since, asked_at, ..
        } = self.repositories.list[repository as usize].1.door
        {
            let door = Door::Scarce {
                since,
                known: free,
                asked_at,
                asking: question,
            };
            self.set_door(repository, door);
        }
    }

    fn repository(&mut self, name: &Arc<str>) -> u32 {
        self.repositories.number(name.clone(), || Repository {
            door: Door::Open,
            classes: Vec::new(),
        })
    }

    fn is_shut(&self, repository: u32) -> bool {
        self.repositories.list[repository as usize]
            .1
            .door
            .asked_at()
            .is_some()
    }

    fn set_door(&mut self, repository: u32, door: Door) {
        let was_shut = self.is_shut(repository);
        let state = &mut self.repositories.list[repository as usize].1;
        let before = std::mem::replace(&mut state.door, door);
        if let Some(time) = before.asked_at() {
            self.asking.remove(&(time, repository));
        }
        if let Some(time) = door.asked_at() {
            self.asking.insert((time, repository));
        }
        let is_shut = self.is_shut(repository);
        if was_shut == is_shut {
            return;
        }
        for class in &self.repositories.list[repository as usize].1.classes {
            let members = &self.classes.list[*class as usize].1;
            let heads = &mut self.units.list[members.unit as usize].1;
            if let Some(key) = members.tasks.first().copied() {
                match is_shut {
                    true => heads.remove(&(key, *class)),
                    false => heads.insert((key, *class)),
                };
            }
        }
    }
}

impl Door {
    /// If it is shut: when it is asked again.
    fn asked_at(self) -> Option<i64> {
        match self {
            Self::Scarce {
                known: 0, asked_at, ..
            } => Some(asked_at),
            _ => None,
        }
    }
}

/// Things with a number each.
#[derive(Debug)]
struct Numbered<K, V> {
    numbers: HashMap<K, u32>,
    list: Vec<(K, V)>,
}

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            list: Vec::new(),
        }
    }
}

impl<K: Hash + Eq + Clone, V> Numbered<K, V> {
    fn find(&self, key: &K) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    fn number(&mut self, key: K, new: impl FnOnce() -> V) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.numbers.insert(key.clone(), number);
        self.list.push((key, new()));
        number
    }
}
