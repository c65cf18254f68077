//! Who goes next, and where: decisions only, with the time as an argument.
//!
//! | part | owns |
//! |---|---|
//! | `key` | the order of the policies |
//! | [`fit`] | which agent pools a task can go to at all |
//! | `pools` | what agent pools run, and whether one more fits |
//! | `queue` | ready tasks by what they ask for; repositories without free slots |
//! | `files` | tasks that declare the same file, or share a branch |
//! | `aside` | tasks whose branch somebody outside the run has |
//! | `patience` | how long tasks have waited for room |
//! | `shares` | what groups of `fair-share` have used |
//! | `slots` | what is told of slots |
//! | `choice` | the decision |
//! | [`why`] | why a task waits |

mod aside;
mod choice;
mod files;
pub mod fit;
mod key;
mod patience;
mod pools;
mod queue;
mod shares;
mod slots;
#[cfg(test)]
mod tests;
mod why;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::agents::{AgentPool, Policy, Rules};
use super::branches::Branches;
use super::graph::{Graph, places};
use super::state::{Index, RunState, TaskState};
use super::task::Task;
use aside::Aside;
use files::Files;
use fit::{Served, served};
use key::{Key, Standing};
use patience::Patience;
use queue::{Class, Queue, Shape};
use shares::Shares;

pub use fit::{by_default, impossible};
pub use pools::Use;
pub use why::{Reason, why};

/// A task and where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The task.
    pub task: Index,
    /// The agent pool's name.
    pub agent_pool: Arc<str>,
    /// Whether nobody knows of a slot for it, and nothing else could go in its stead: it may wait for
    /// one.
    pub may_wait: bool,
}

/// The ready and the running tasks of a run. All times are milliseconds since 1970.
#[derive(Debug)]
pub struct Scheduler {
    tasks: Arc<[Task]>,
    rules: Rules,
    configured: Vec<AgentPool>,
    pools: Vec<Use>,
    heights: Vec<u32>,
    lanes: Vec<Served>,
    lane_of: HashMap<Option<Arc<str>>, u32>,
    classes: Vec<Option<Class>>,
    priorities: HashMap<Index, i64>,
    ready: HashMap<Index, Key>,
    running: HashMap<Index, Running>,
    aside: BTreeMap<Index, Aside>,
    queue: Queue,
    files: Files,
    branches: Branches,
    shares: Shares,
    /// How long tasks have had no room.
    unfit: Patience,
    /// How long share groups' first tasks have been passed by those of others.
    passed: Patience,
    /// The time that was last told.
    clock: i64,
}

/// A task that has been given away.
#[derive(Debug)]
struct Running {
    /// Its agent pool, if that is still configured.
    pool: Option<usize>,
    began: i64,
    ready: i64,
    /// Whether nobody knows of a slot for it: it finds out whether there is one.
    asks: bool,
    /// Since when it is ready again, if it is although what it has is not all given back.
    again: Option<i64>,
}

impl Scheduler {
    /// Nothing ready, nothing running.
    pub fn new(tasks: Arc<[Task]>, agent_pools: &[AgentPool], rules: &Rules) -> Self {
        let heights = Graph::of(&tasks, &places(&tasks)).heights();
        Self::with_heights(tasks, heights, agent_pools, rules)
    }

    fn with_heights(
        tasks: Arc<[Task]>,
        heights: Vec<u32>,
        agent_pools: &[AgentPool],
        rules: &Rules,
    ) -> Self {
        Self {
            heights,
            rules: rules.clone(),
            configured: agent_pools.to_vec(),
            pools: agent_pools.iter().map(Use::none_of).collect(),
            lanes: Vec::new(),
            lane_of: HashMap::new(),
            classes: vec![None; tasks.len()],
            priorities: HashMap::new(),
            ready: HashMap::new(),
            running: HashMap::new(),
            aside: BTreeMap::new(),
            queue: Queue::default(),
            files: Files::default(),
            branches: Branches::of(&tasks),
            shares: Shares::default(),
            unfit: Patience::default(),
            passed: Patience::default(),
            clock: 0,
            tasks,
        }
    }

    /// Where a run stands: what is ready and what runs, what has been used, what people have changed,
    /// which agent pools rest and which repositories had no slot. After
    /// [`RunState::redefine`] this is how scheduling goes on.
    pub fn resume(state: &RunState, agent_pools: &[AgentPool], rules: &Rules) -> Self {
        let heights = state.graph().heights();
        let mut new = Self::with_heights(state.tasks().clone(), heights, agent_pools, rules);
        let run = state.run();
        for (name, change) in &run.agent_pools {
            new.pool_changed(name, change.enabled, change.max_concurrency);
            if let Some(until) = change.cooling_until {
                new.cool(name, until.as_millisecond());
            }
        }
        for (share, seconds) in &run.used {
            let group = new.shares.number(share, &new.rules);
            new.shares.add(group, seconds * 1000.0);
        }
        let poll = new.poll_interval();
        for (repo, (since, asked)) in &run.exhausted {
            let until = asked.as_millisecond().saturating_add(poll);
            new.queue.shut(repo, since.as_millisecond(), until);
        }
        let began = run.began.map_or(0, Timestamp::as_millisecond);
        for (task, definition) in state.tasks().iter().enumerate() {
            let progress = state.progress(task);
            if progress.priority != definition.priority {
                new.priorities.insert(task, progress.priority);
            }
            if let Some(open) = &progress.open {
                new.restore(task, &open.agent_pool, open.assigned.as_millisecond());
            } else if progress.state == TaskState::Ready {
                let ready = progress.ready_at.map_or(began, Timestamp::as_millisecond);
                new.ready(task, ready);
                if let Some((asked, why)) = progress.branch_taken.as_deref() {
                    new.set_aside(task, why, asked.as_millisecond().saturating_add(poll));
                }
            }
        }
        new
    }

    /// The tasks were read again, and kept their places: how long they have waited is not counted
    /// anew.
    pub fn go_on_from(&mut self, earlier: &Self) {
        let is_ready = |task| self.ready.contains_key(&task);
        self.unfit.take_over(&earlier.unfit, is_ready);
        self.passed.take_over(&earlier.passed, is_ready);
        self.files.take_over(&earlier.files, is_ready);
    }

    /// A task has become ready, at the time that [`super::state::Progress::ready_at`] has. Of one
    /// that still runs here it is remembered until that is [`Self::finished`].
    pub fn ready(&mut self, task: Index, at: i64) {
        if let Some(running) = self.running.get_mut(&task) {
            running.again = Some(at);
            return;
        }
        if self.ready.contains_key(&task) {
            return;
        }
        let class = self.class(task);
        self.declare(task);
        let lane = &self.lanes[self.queue.shape(class).lane as usize];
        let standing = Standing {
            task,
            ready: at,
            priority: self.priority(task),
            height: self.heights[task],
            mapped: lane.named,
        };
        let key = Key::new(&standing, &self.rules);
        self.ready.insert(task, key);
        if self.files.admit(key, class) {
            self.queue.insert(class, key);
        }
    }

    /// Makes known what no other running task may have: its files, and a branch that it shares.
    fn declare(&mut self, task: Index) {
        let definition = &self.tasks[task];
        let repo = definition.repo.as_ref();
        if self.branches.sharing(task).is_empty() {
            return self.files.declare(task, repo, &definition.files);
        }
        let branch = format!("branch {}", definition.branch_name());
        let files = definition.files.iter().cloned();
        let all: Vec<Arc<str>> = files.chain([branch.into()]).collect();
        self.files.declare(task, repo, &all);
    }

    /// A task is ready no more.
    pub fn withdraw(&mut self, task: Index) {
        if let Some(running) = self.running.get_mut(&task) {
            running.again = None;
        }
        let Some(key) = self.ready.remove(&task) else {
            return;
        };
        self.aside.remove(&task);
        self.forget(task);
        self.files.unclaim(task);
        let class = self.class(task);
        self.queue.remove(class, key);
        let files = self.files.leave(key, class);
        self.wake(&files);
    }

    /// A task has another priority.
    pub fn set_priority(&mut self, task: Index, priority: i64) {
        self.priorities.insert(task, priority);
        if let Some(key) = self.ready.get(&task).copied() {
            self.withdraw(task);
            self.ready(task, key.ready());
        }
    }

    /// A task runs in an agent pool since then: it does for an earlier dispatcher. It counts, even
    /// where that makes more than there may be.
    pub fn restore(&mut self, task: Index, agent_pool: &str, began: i64) {
        self.withdraw(task);
        self.declare(task);
        let running = Running {
            pool: self.pool(agent_pool),
            began,
            ready: began,
            asks: false,
            again: None,
        };
        self.begin(task, running);
    }

    /// A task that was placed has ended: its room in the agent pool is free, and so are its files. Of
    /// its slot [`Self::repo_free`] tells.
    pub fn finished(&mut self, task: Index, now: i64) {
        self.clock = now;
        let Some(running) = self.end(task) else {
            return;
        };
        let group = self.share(task);
        self.shares.ended(group, running.began, now);
        if let Some(at) = running.again {
            self.ready(task, at);
        }
    }

    /// An agent pool is not as it was; `false` if there is none of that name.
    pub fn pool_changed(&mut self, name: &str, enabled: Option<bool>, max: Option<u32>) -> bool {
        let Some(place) = self.pool(name) else {
            return false;
        };
        let pool = &mut self.pools[place];
        pool.enabled = enabled.unwrap_or(pool.enabled);
        pool.max_concurrency = max.unwrap_or(pool.max_concurrency);
        true
    }

    /// An agent pool takes nothing before then.
    pub fn cool(&mut self, name: &str, until: i64) {
        if let Some(place) = self.pool(name) {
            let pool = &mut self.pools[place];
            pool.cooling_until = pool.cooling_until.max(Some(until));
        }
    }

    /// When time alone may let a task go that waits: an agent pool has rested, or a repository or a
    /// branch is to be asked for again.
    pub fn wakes_at(&self, now: i64) -> Option<i64> {
        self.wakes_but_for(&|_| false, now)
    }

    /// The same, if nothing is to be had of some repositories.
    pub fn wakes_but_for(&self, is_lost: &dyn Fn(&str) -> bool, now: i64) -> Option<i64> {
        if self.ready.is_empty() {
            return None;
        }
        let cooling = self.pools.iter().filter_map(|pool| pool.cooling_until);
        let rested = cooling.filter(|until| *until > now).min();
        let asked = self.queue.reopens_at(is_lost).map(|until| until.max(now));
        let aside = self.aside_until().map(|until| until.max(now));
        rested.into_iter().chain(asked).chain(aside).min()
    }

    /// What each agent pool has to do.
    pub fn utilization(&self) -> &[Use] {
        &self.pools
    }

    /// How many tasks are ready and not placed.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// How many tasks are placed and have not ended.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn begin(&mut self, task: Index, running: Running) {
        self.files.hold(task);
        let group = self.share(task);
        self.shares.began(group, running.began);
        if let Some(pool) = running.pool {
            self.pools[pool].take(&self.tasks[task]);
        }
        self.running.insert(task, running);
    }

    /// It does not wait for room any more.
    fn forget(&mut self, task: Index) {
        self.unfit.forget(task);
        self.passed.forget(task);
    }

    /// Takes back what a task that runs has.
    fn end(&mut self, task: Index) -> Option<Running> {
        let running = self.running.remove(&task)?;
        if let Some(pool) = running.pool {
            self.pools[pool].give_back(&self.tasks[task]);
        }
        let files = self.files.release(task);
        self.wake(&files);
        Some(running)
    }

    /// Lets those into the queue that have waited for these files.
    fn wake(&mut self, files: &[u32]) {
        for (key, class) in self.files.wake(files, self.clock) {
            self.queue.insert(class, key);
        }
    }

    fn poll_interval(&self) -> i64 {
        i64::try_from(self.rules.poll_interval.as_millis()).unwrap_or(i64::MAX)
    }

    fn pool(&self, name: &str) -> Option<usize> {
        self.configured.iter().position(|pool| pool.name == name)
    }

    fn priority(&self, task: Index) -> i64 {
        let changed = self.priorities.get(&task).copied();
        changed.unwrap_or(self.tasks[task].priority)
    }

    fn share(&mut self, task: Index) -> u32 {
        self.shares.number(&self.tasks[task].share, &self.rules)
    }

    fn class(&mut self, task: Index) -> Class {
        if let Some(class) = self.classes[task] {
            return class;
        }
        let lane = self.lane(self.tasks[task].skill.clone());
        let share = match self.rules.policy {
            Policy::FairShare => self.share(task),
            _ => 0,
        };
        let definition = &self.tasks[task];
        // What no agent pool counts tells tasks apart for nothing, and a decision looks at every shape.
        let counted = |quota: fn(&Use) -> bool| self.pools.iter().any(quota);
        let shape = Shape {
            lane,
            share,
            cpu: match counted(|pool| pool.cpu_quota.is_some()) {
                true => definition.cpu,
                false => 0,
            },
            memory: match counted(|pool| pool.memory_quota.is_some()) {
                true => definition.memory,
                false => 0,
            },
        };
        let class = self.queue.class(shape, definition.repo.as_ref());
        self.classes[task] = Some(class);
        class
    }

    /// The number of the list of agent pools that serve a skill.
    fn lane(&mut self, skill: Option<Arc<str>>) -> u32 {
        if let Some(lane) = self.lane_of.get(&skill) {
            return *lane;
        }
        let served = served(skill.as_deref(), &self.configured, &self.rules);
        let known = self.lanes.iter().position(|lane| *lane == served);
        let lane = known.unwrap_or_else(|| {
            self.lanes.push(served);
            self.lanes.len() - 1
        }) as u32;
        self.lane_of.insert(skill, lane);
        lane
    }
}
