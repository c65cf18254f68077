//! What each agent pool runs, and whether one more fits.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::Serialize;

use super::super::agents::AgentPool;
use super::super::task::Task;
use super::fit::{bytes, processors};

/// What an agent pool has to do at the moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Use {
    /// Its name.
    pub agent_pool: Arc<str>,
    /// Whether it takes tasks.
    pub enabled: bool,
    /// How many runners it has.
    pub running: u32,
    /// How many it may have.
    pub max_concurrency: u32,
    /// What they ask for together, in thousandths of a processor.
    pub cpu: u64,
    /// What they may ask for.
    pub cpu_quota: Option<u64>,
    /// What they ask for together, in bytes of memory.
    pub memory: u64,
    /// What they may ask for.
    pub memory_quota: Option<u64>,
    /// Until when it rests, in milliseconds.
    pub cooling_until: Option<i64>,
}

/// What keeps an agent pool from taking a task now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// It takes nothing.
    Disabled,
    /// It rests until then.
    Cooling(i64),
    /// It has all the runners it may have.
    Full,
    /// Its processors are asked for.
    Cpu,
    /// Its memory is asked for.
    Memory,
}

impl Use {
    /// An agent pool without runners.
    pub fn none_of(pool: &AgentPool) -> Self {
        Self {
            agent_pool: pool.name.as_str().into(),
            enabled: pool.enabled,
            running: 0,
            max_concurrency: pool.max_concurrency,
            cpu: 0,
            cpu_quota: pool.cpu_quota.map(u64::from),
            memory: 0,
            memory_quota: pool.memory_quota,
            cooling_until: None,
        }
    }

    /// What part of its runners is at work, from 0 to 1; more if it was made smaller.
    pub fn utilization(&self) -> f64 {
        f64::from(self.running) / f64::from(self.max_concurrency.max(1))
    }

    /// What more is asked for than it may be, as after a change or an adoption, in words; none if nothing
    /// is.
    pub fn excess(&self) -> Option<String> {
        let quota = |used: u64, quota: Option<u64>, show: fn(u64) -> String, what: &str| {
            let quota = quota.filter(|quota| used > *quota)?;
            Some(format!("{} of {} {what}", show(used), show(quota)))
        };
        let (running, max) = (u64::from(self.running), u64::from(self.max_concurrency));
        let over = [
            quota(running, Some(max), |n| n.to_string(), "runners"),
            quota(self.cpu, self.cpu_quota, processors, "CPU"),
            quota(self.memory, self.memory_quota, bytes, "memory"),
        ];
        let over: Vec<String> = over.into_iter().flatten().collect();
        (!over.is_empty()).then(|| {
            format!(
                "agent pool {} has more than it may have: {}; nothing new begins there before that is \
                 less",
                self.agent_pool,
                over.join(", ")
            )
        })
    }

    /// What keeps it from taking any task.
    pub(super) fn closed(&self, now: i64) -> Option<Obstacle> {
        match self.cooling_until {
            _ if !self.enabled => Some(Obstacle::Disabled),
            Some(until) if until > now => Some(Obstacle::Cooling(until)),
            _ if self.running >= self.max_concurrency => Some(Obstacle::Full),
            _ => None,
        }
    }

    /// What keeps it from taking a task that asks for so much, if it takes any.
    pub(super) fn crowded(&self, cpu: u32, memory: u64) -> Option<Obstacle> {
        let over = |used: u64, wanted: u64, quota: Option<u64>| {
            quota.is_some_and(|quota| used.saturating_add(wanted) > quota)
        };
        if over(self.cpu, cpu.into(), self.cpu_quota) {
            return Some(Obstacle::Cpu);
        }
        over(self.memory, memory, self.memory_quota).then_some(Obstacle::Memory)
    }

    /// Whether it could ever take a task that asks for so much.
    pub(super) fn could(&self, cpu: u32, memory: u64) -> bool {
        self.cpu_quota.is_none_or(|quota| u64::from(cpu) <= quota)
            && self.memory_quota.is_none_or(|quota| memory <= quota)
    }

    /// By running over maximum, then name.
    pub(super) fn by_load(&self, other: &Self) -> Ordering {
        let ours = u64::from(self.running) * u64::from(other.max_concurrency);
        let theirs = u64::from(other.running) * u64::from(self.max_concurrency);
        ours.cmp(&theirs)
            .then_with(|| self.agent_pool.cmp(&other.agent_pool))
    }

    /// By what is left of it: the least first, where something small fits best. No quota is more
    /// than any.
    pub(super) fn by_room(&self, other: &Self) -> Ordering {
        let room = |pool: &Self| {
            let left =
                |quota: Option<u64>, used: u64| quota.map_or(u64::MAX, |q| q.saturating_sub(used));
            (
                left(pool.cpu_quota, pool.cpu),
                left(pool.memory_quota, pool.memory),
                pool.max_concurrency.saturating_sub(pool.running),
            )
        };
        room(self)
            .cmp(&room(other))
            .then_with(|| self.agent_pool.cmp(&other.agent_pool))
    }

    pub(super) fn take(&mut self, task: &Task) {
        self.running += 1;
        self.cpu += u64::from(task.cpu);
        self.memory += task.memory;
    }

    pub(super) fn give_back(&mut self, task: &Task) {
        self.running -= 1;
        self.cpu -= u64::from(task.cpu);
        self.memory -= task.memory;
    }
}
