//! What each group of `fair-share` has used.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::agents::Rules;
use super::patience::HEAD_PATIENCE;

/// How many tasks one after the other may pass another group's.
const TURNS: f64 = 20.0;

/// What a group has had over its weight: less goes first. Of numbers that are not negative, the bits
/// are in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Due {
    used: u64,
    /// What tells groups apart that have used the same, as all have at the beginning.
    running: u64,
}

/// Groups by their number.
#[derive(Debug, Default)]
pub struct Shares {
    numbers: HashMap<Arc<str>, u32>,
    groups: Vec<Group>,
    /// How many tasks have ended here, and how long they were at it.
    ended: (u32, f64),
}

#[derive(Debug)]
struct Group {
    weight: f64,
    /// What ended tasks have used, in milliseconds of a slot.
    used: f64,
    running: u32,
    /// The sum of the times at which running ones began.
    starts: f64,
}

impl Shares {
    /// The number of a group.
    pub fn number(&mut self, name: &Arc<str>, rules: &Rules) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.groups.len() as u32;
        let weight = rules.share_weights.get(&**name).copied().unwrap_or(1.0);
        self.numbers.insert(name.clone(), number);
        self.groups.push(Group {
            weight: weight.max(0.0),
            used: 0.0,
            running: 0,
            starts: 0.0,
        });
        number
    }

    /// So much was used before.
    pub fn add(&mut self, group: u32, milliseconds: f64) {
        self.groups[group as usize].used += milliseconds;
    }

    /// A task of the group began.
    pub fn began(&mut self, group: u32, at: i64) {
        let group = &mut self.groups[group as usize];
        group.running += 1;
        group.starts += at as f64;
    }

    /// A task that began then has ended.
    pub fn ended(&mut self, group: u32, began: i64, now: i64) {
        let group = &mut self.groups[group as usize];
        group.running -= 1;
        group.starts -= began as f64;
        let took = (now - began).max(0) as f64;
        group.used += took;
        if took > 0.0 {
            self.ended.0 += 1;
            self.ended.1 += took;
        }
    }

    /// For how many milliseconds a group's first task may be passed by those of groups that are owed
    /// more. The longer tasks last the longer: whoever goes before its turn takes what is due to others
    /// for as long.
    pub fn patience(&self) -> i64 {
        let (count, took) = self.ended;
        let mean = took / f64::from(count.max(1));
        HEAD_PATIENCE.max((TURNS * mean) as i64)
    }

    /// A task that began then has not really begun.
    pub fn undone(&mut self, group: u32, began: i64) {
        self.ended(group, began, began);
    }

    /// What each group has had, in the order of their numbers.
    pub fn dues(&self, now: i64) -> Vec<Due> {
        self.groups.iter().map(|group| group.due(now)).collect()
    }
}

impl Group {
    fn due(&self, now: i64) -> Due {
        let accrued = f64::from(self.running).mul_add(now as f64, -self.starts);
        let over_weight = |value: f64| match self.weight > 0.0 {
            true => (value.max(0.0) / self.weight).to_bits(),
            false => u64::MAX,
        };
        Due {
            used: over_weight(self.used + accrued),
            running: over_weight(self.running.into()),
        }
    }
}
