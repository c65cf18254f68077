//! Anything that can happen, held against the rules as anybody would write them down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A scheduler with what is known of it by other means.
struct World {
    scheduler: Scheduler,
    tasks: Arc<[Task]>,
    pools: Vec<AgentPool>,
    rules: Rules,
    now: i64,
    ready: BTreeMap<Index, i64>,
    running: BTreeMap<Index, usize>,
    priority: Vec<i64>,
    cooling: Vec<i64>,
}

impl World {
    fn of(tasks: Vec<Task>, pools: Vec<AgentPool>, rules: Rules) -> Self {
        let tasks: Arc<[Task]> = tasks.into();
        Self {
            scheduler: Scheduler::new(tasks.clone(), &pools, &rules),
            priority: tasks.iter().map(|task| task.priority).collect(),
            cooling: vec![i64::MIN; pools.len()],
            tasks,
            pools,
            rules,
            now: 0,
            ready: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    fn used(&self, pool: usize) -> (u32, u64, u64) {
        let on = self.running.iter().filter(|(_, on)| **on == pool);
        on.fold((0, 0, 0), |(count, cpu, memory), (task, _)| {
            let task = &self.tasks[*task];
            (count + 1, cpu + u64::from(task.cpu), memory + task.memory)
        })
    }

    /// Whether an agent pool may take a task now.
    fn may(&self, task: Index, pool: usize) -> bool {
        let (definition, limits) = (&self.tasks[task], &self.pools[pool]);
        let (count, cpu, memory) = self.used(pool);
        let serves = served(definition.skill.as_deref(), &self.pools, &self.rules);
        serves.pools.contains(&pool)
            && limits.enabled
            && self.cooling[pool] <= self.now
            && count < limits.max_concurrency
            && limits
                .cpu_quota
                .is_none_or(|quota| cpu + u64::from(definition.cpu) <= quota.into())
            && limits
                .memory_quota
                .is_none_or(|quota| memory + definition.memory <= quota)
    }

    fn files_free(&self, task: Index) -> bool {
        let own = &self.tasks[task];
        let shares = |other: &Index| {
            let other = &self.tasks[*other];
            other.repo == own.repo && other.files.iter().any(|file| own.files.contains(file))
        };
        !self.running.keys().any(shares)
    }

    fn could_go(&self, task: Index) -> bool {
        self.running.len() < self.rules.max_global_concurrency as usize
            && self.files_free(task)
            && (0..self.pools.len()).any(|pool| self.may(task, pool))
    }

    /// The order as the policies promise it, among tasks that can go.
    fn before(&self, a: Index, b: Index) -> bool {
        let aging = self
            .rules
            .aging_interval
            .map(|interval| interval.as_millis() as i64);
        let key = |task: Index| {
            let ready = self.ready[&task];
            let named = served(self.tasks[task].skill.as_deref(), &self.pools, &self.rules).named;
            match (self.rules.policy, aging) {
                (Policy::Fifo, _) => (0, ready, task),
                (Policy::SkillBased, Some(aging)) => {
                    (ready - i64::from(named) * aging, ready, task)
                }
                (Policy::SkillBased, None) => (i64::from(!named), ready, task),
                (_, Some(aging)) => (ready - self.priority[task] * aging, ready, task),
                (_, None) => (-self.priority[task], ready, task),
            }
        };
        key(a) < key(b)
    }

    /// Whether it is said that a task makes way for one that has waited too long.
    fn makes_way(&mut self, task: Index) -> bool {
        let reasons = self.scheduler.why(task, self.now);
        let mut all = reasons.iter();
        all.any(|reason| {
            matches!(
                reason,
                Reason::Kept { .. } | Reason::FileNext { .. } | Reason::Slot { .. }
            )
        })
    }

    fn next(&mut self) -> bool {
        let ready: Vec<Index> = self.ready.keys().copied().collect();
        let could: Vec<Index> = ready
            .iter()
            .copied()
            .filter(|task| self.could_go(*task))
            .collect();
        let waits: BTreeSet<Index> = could
            .iter()
            .copied()
            .filter(|task| self.makes_way(*task))
            .collect();
        let Some(placement) = self.scheduler.next(self.now) else {
            for task in &could {
                assert!(
                    self.makes_way(*task),
                    "{task} could go: {:?}",
                    self.scheduler.why(*task, self.now)
                );
            }
            for task in ready {
                let reasons = self.scheduler.why(task, self.now);
                assert!(
                    !reasons.is_empty() && !reasons.contains(&Reason::Next),
                    "{task}: {reasons:?}"
                );
            }
            return false;
        };
        let task = placement.task;
        let pool = self
            .pools
            .iter()
            .position(|pool| *pool.name == *placement.agent_pool)
            .unwrap();
        assert!(
            could.contains(&task) && self.may(task, pool),
            "{task} can't go to {pool}"
        );
        if self.rules.policy != Policy::FairShare {
            for other in could.into_iter().filter(|other| *other != task) {
                // Files may have been claimed by this very decision.
                assert!(
                    waits.contains(&other) || !self.before(other, task) || self.makes_way(other),
                    "{other} was before {task}"
                );
            }
        }
        self.ready.remove(&task);
        self.running.insert(task, pool);
        true
    }

    fn happens(&mut self, thing: Thing) {
        let nth = |map: Vec<Index>, n: usize| (!map.is_empty()).then(|| map[n % map.len()]);
        match thing {
            Thing::Ready(n) => {
                let task = n % self.tasks.len();
                if !self.running.contains_key(&task) && !self.ready.contains_key(&task) {
                    self.ready.insert(task, self.now);
                    self.scheduler.ready(task, self.now);
                }
            }
            Thing::Next => {
                self.next();
            }
            Thing::All => while self.next() {},
            Thing::Ends(n) => {
                if let Some(task) = nth(self.running.keys().copied().collect(), n) {
                    self.running.remove(&task);
                    self.scheduler.finished(task, self.now);
                    if let Some(repo) = &self.tasks[task].repo {
                        self.scheduler.repo_free(repo);
                    }
                }
            }
            Thing::NoSlot(n) => {
                let with_repo = self
                    .running
                    .keys()
                    .copied()
                    .filter(|task| self.tasks[*task].repo.is_some());
                if let Some(task) = nth(with_repo.collect(), n) {
                    self.running.remove(&task);
                    let ready = self.scheduler.running[&task].ready;
                    self.ready.insert(task, ready);
                    self.scheduler.without_slot(task, self.now, self.now + 5000);
                }
            }
            Thing::Slot(n) => {
                if let Some(task) = nth(self.running.keys().copied().collect(), n) {
                    self.scheduler.with_slot(task);
                }
            }
            Thing::Withdraw(n) => {
                if let Some(task) = nth(self.ready.keys().copied().collect(), n) {
                    self.ready.remove(&task);
                    self.scheduler.withdraw(task);
                }
            }
            Thing::Prio(n, priority) => {
                let task = n % self.tasks.len();
                self.priority[task] = priority;
                self.scheduler.set_priority(task, priority);
            }
            Thing::Pool(n, enabled, max) => {
                let pool = n % self.pools.len();
                (self.pools[pool].enabled, self.pools[pool].max_concurrency) = (enabled, max);
                let name = self.pools[pool].name.clone();
                self.scheduler.pool_changed(&name, Some(enabled), Some(max));
            }
            Thing::Cool(n, ms) => {
                let pool = n % self.pools.len();
                self.cooling[pool] = self.cooling[pool].max(self.now + ms);
                let name = self.pools[pool].name.clone();
                self.scheduler.cool(&name, self.now + ms);
            }
            Thing::Passes(ms) => self.now += ms,
        }
        for (pool, told) in self.scheduler.utilization().iter().enumerate() {
            assert_eq!((told.running, told.cpu, told.memory), self.used(pool));
        }
        assert_eq!(self.scheduler.waiting(), self.ready.len());
        assert_eq!(self.scheduler.running(), self.running.len());
    }
}

#[derive(Debug, Clone, Copy)]
enum Thing {
    Ready(usize),
    Next,
    All,
    Ends(usize),
    NoSlot(usize),
    Slot(usize),
    Withdraw(usize),
    Prio(usize, i64),
    Pool(usize, bool, u32),
    Cool(usize, i64),
    Passes(i64),
}

fn thing() -> impl Strategy<Value = Thing> {
    let nth = 0_usize..1000;
    prop_oneof![
        6 => nth.clone().prop_map(Thing::Ready),
        3 => Just(Thing::Next),
        2 => Just(Thing::All),
        5 => nth.clone().prop_map(Thing::Ends),
        1 => nth.clone().prop_map(Thing::NoSlot),
        1 => nth.clone().prop_map(Thing::Slot),
        1 => nth.clone().prop_map(Thing::Withdraw),
        1 => (nth.clone(), -3_i64..4).prop_map(|(n, priority)| Thing::Prio(n, priority)),
        1 => (nth.clone(), any::<bool>(), 0_u32..4).prop_map(|(n, enabled, max)| Thing::Pool(n, enabled, max)),
        1 => (nth, 1_i64..30_000).prop_map(|(n, ms)| Thing::Cool(n, ms)),
        2 => (1_i64..40_000).prop_map(Thing::Passes),
    ]
}

/// One of these words, or none.
fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = Option<Arc<str>>> {
    prop::option::of(prop::sample::select(words)).prop_map(|word| word.map(Into::into))
}

fn a_task() -> impl Strategy<Value = Task> {
    (
        some_of(&["p", "q", "r"]),
        some_of(&["app", "web"]),
        prop::sample::select(vec![500_u32, 1000, 2000]),
        0_u64..3,
        -2_i64..3,
        prop::collection::btree_set(prop::sample::select(vec!["x", "y", "z"]), 0..3),
        prop::sample::select(vec!["a", "b"]),
    )
        .prop_map(|(skill, repo, cpu, memory, priority, files, share)| Task {
            skill,
            repo,
            cpu,
            memory: memory << 30,
            priority,
            files: files.into_iter().map(Into::into).collect(),
            share: share.into(),
            ..task("")
        })
}

fn some_tasks(most: usize) -> impl Strategy<Value = Vec<Task>> {
    prop::collection::vec(a_task(), 1..most).prop_map(|mut tasks| {
        for (n, task) in tasks.iter_mut().enumerate() {
            task.id = n.to_string().into();
        }
        tasks
    })
}

fn some_pools() -> impl Strategy<Value = Vec<AgentPool>> {
    let pool = (
        1_u32..4,
        prop::option::of(2000_u32..5000),
        prop::option::of(2_u64..5),
        some_of(&["p", "q"]),
    );
    prop::collection::vec(pool, 1..4).prop_map(|pools| {
        let pools = pools.into_iter().zip(["one", "two", "three"]);
        let made = pools.map(|((max, cpu, memory, skill), name)| AgentPool {
            cpu_quota: cpu,
            memory_quota: memory.map(|gigabytes| gigabytes << 30),
            skills: skill.iter().map(|skill| skill.to_string()).collect(),
            ..agent_pool(name, max)
        });
        made.collect()
    })
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let policies = [
        Policy::Fifo,
        Policy::Priority,
        Policy::SkillBased,
        Policy::FairShare,
    ];
    (
        prop::sample::select(policies.to_vec()),
        1_u32..6,
        prop::option::of(1_u64..30),
        any::<bool>(),
    )
        .prop_map(|(policy, max_global_concurrency, aging, mapping)| {
            let mut rules = Rules {
                policy,
                max_global_concurrency,
                aging_interval: aging.map(Duration::from_secs),
                ..rules()
            };
            if mapping {
                rules
                    .skill_mapping
                    .insert("p".into(), vec!["two".into(), "one".into()]);
                rules
                    .skill_mapping
                    .insert("default".into(), vec!["one".into()]);
            }
            rules
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_limit_is_exceeded_nothing_goes_out_of_order_and_whoever_waits_is_told_why(
        tasks in some_tasks(14),
        pools in some_pools(),
        rules in some_rules(),
        things in prop::collection::vec(thing(), 0..120),
    ) {
        let mut world = World::of(tasks, pools, rules);
        for thing in things {
            world.happens(thing);
        }
    }

    #[test]
    fn where_aging_is_on_nobody_waits_for_ever(
        policy in prop::sample::select(&[Policy::Priority, Policy::SkillBased, Policy::FairShare]),
        mut tasks in some_tasks(40),
        mut pools in some_pools(),
        ends in prop::collection::vec(0_usize..1000, 600),
    ) {
        // All that others can do to the first task they do: they come again as soon as they end.
        pools.truncate(1);
        pools[0].skills.clear();
        (tasks[0].priority, tasks[0].cpu, tasks[0].memory) = (-2, 2000, 2 << 30);
        tasks.iter_mut().for_each(|task| task.skill = Some("mapped".into()));
        tasks[0].skill = None;
        tasks[0].files = ["x", "y", "z"].map(Into::into).to_vec();
        let mapping = [("mapped".to_owned(), vec![pools[0].name.clone()])];
        let rules = Rules {
            aging_interval: Some(Duration::from_secs(10)),
            skill_mapping: mapping.into(),
            ..with_policy(policy)
        };
        let count = tasks.len();
        let mut one = scheduler(tasks, &pools, &rules);
        let (mut now, mut running) = (0, Vec::new());
        for end in ends {
            while let Some(placement) = one.next(now) {
                running.push(placement.task);
            }
            if running.contains(&0) {
                return Ok(());
            }
            now += 1000;
            // In their order: however the ends are made simpler, nobody runs for ever.
            one.finished(running.remove(end % running.len()), now);
            (0..count).for_each(|task| one.ready(task, now));
        }
        prop_assert!(false, "{:?}", one.why(0, now));
    }
}
