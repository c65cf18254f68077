//! The decision who goes next, and where.

use super::pools::Obstacle;
use super::queue::{Class, Shape};
use super::shares::Due;
use super::{Key, Placement, Policy, Running, Scheduler};

/// The order over all units: what the share groups are due first, then the key. A task that others
/// have passed for too long is due before all groups: those that are owed more may fill its agent pool for
/// ever, if room is what bounds them.
type Rank = (Due, Key);

/// How a decision sees things at one moment.
struct View {
    /// Which agent pools could take some task.
    open: Vec<bool>,
    /// What share groups are due; empty where that does not matter.
    dues: Vec<Due>,
    /// The tasks that have no room, by the agent pool that has too little.
    heads: Vec<(usize, Key)>,
    /// For each agent pool the head that was passed for too long: none behind it goes there.
    kept_for: Vec<Option<Rank>>,
    now: i64,
}

impl Scheduler {
    /// The next task to be run, and where: room is taken for it. `None`: nothing can go now; what may
    /// change that is an end, a word to this scheduler, or the time of [`Self::wakes_at`].
    pub fn next(&mut self, now: i64) -> Option<Placement> {
        self.clock = now;
        self.queue.reopen(now);
        self.bring_back(now);
        if self.running.len() >= self.rules.max_global_concurrency as usize {
            return None;
        }
        loop {
            if self.queue.len() == 0 {
                return None;
            }
            let view = self.view(now)?;
            if view.dues.is_empty() {
                self.pass(view.heads.iter(), now);
            }
            let (key, class, pool) = self.first(&view)?;
            let task = key.task();
            self.queue.remove(class, key);
            let files = self.files.leave(key, class);
            if self.files.obstacle(key).is_some() {
                self.patience.forget(task);
                self.files.passed(key, now);
                if self.files.admit(key, class) {
                    self.queue.insert(class, key);
                }
                self.wake(&files);
                continue;
            }
            self.files.unclaim(task);
            self.ready.remove(&task);
            self.patience.forget(task);
            // Of share groups each has a task that is first: whatever is about to have its turn would be
            // too late before long. There only who takes the room of another passes it.
            let here = view.heads.iter().filter(|(place, _)| *place == pool);
            self.pass(here, now);
            let asks = self
                .queue
                .taken(class, now.saturating_add(self.poll_interval()));
            let running = Running {
                pool: Some(pool),
                began: now,
                ready: key.ready(),
                asks,
                again: None,
            };
            let may_wait = asks && self.first(&view).is_none();
            self.begin(task, running);
            return Some(Placement {
                task,
                agent_pool: self.pools[pool].agent_pool.clone(),
                may_wait,
            });
        }
    }

    /// `None` if no agent pool can take anything.
    fn view(&self, now: i64) -> Option<View> {
        let pools = self.pools.iter();
        let open: Vec<bool> = pools.map(|pool| pool.closed(now).is_none()).collect();
        if !open.contains(&true) {
            return None;
        }
        let dues = match self.rules.policy {
            Policy::FairShare => self.shares.dues(now),
            _ => Vec::new(),
        };
        let mut view = View {
            dues,
            heads: Vec::new(),
            kept_for: vec![None; open.len()],
            open,
            now,
        };
        view.heads = self.heads_in_the_way(&view);
        for (pool, key) in view.heads.iter().copied() {
            let rank = (Due::default(), key);
            let kept_for = &mut view.kept_for[pool];
            if self.patience.is_over(key.task(), now) && kept_for.is_none_or(|other| rank < other) {
                *kept_for = Some(rank);
            }
        }
        Some(view)
    }

    fn pass<'h>(&mut self, heads: impl Iterator<Item = &'h (usize, Key)>, now: i64) {
        heads.for_each(|(_, head)| self.patience.passed(head.task(), now));
    }

    /// For each agent pool, and there for each share group, the first task that can go nowhere now,
    /// and for which this pool has a runner but not the resources.
    fn heads_in_the_way(&self, view: &View) -> Vec<(usize, Key)> {
        let quotas = |pool: &super::Use| pool.cpu_quota.is_some() || pool.memory_quota.is_some();
        if !self.pools.iter().any(quotas) {
            return Vec::new();
        }
        let groups = view.dues.len().max(1);
        let mut heads: Vec<Option<Key>> = vec![None; self.pools.len() * groups];
        for head in self.queue.heads() {
            if let Some(pool) = self.too_small(head.shape, view) {
                let first = &mut heads[pool * groups + head.shape.share as usize];
                if first.is_none_or(|first| head.key < first)
                    && self.files.obstacle(head.key).is_none()
                {
                    *first = Some(head.key);
                }
            }
        }
        let found = heads.into_iter().enumerate();
        found
            .filter_map(|(place, key)| Some((place / groups, key?)))
            .collect()
    }

    fn rank(&self, shape: &Shape, key: Key, view: &View) -> Rank {
        let Some(due) = view.dues.get(shape.share as usize) else {
            return (Due::default(), key);
        };
        match self.patience.is_over(key.task(), view.now) {
            true => (Due::default(), key),
            false => (*due, key),
        }
    }

    /// The agent pool that lacks only resources for such a task, if no other can take it: of several
    /// the one with the least load, which is kept free for it soonest.
    fn too_small(&self, shape: &Shape, view: &View) -> Option<usize> {
        let mut least: Option<usize> = None;
        for place in self.lanes[shape.lane as usize].pools.iter().copied() {
            let pool = &self.pools[place];
            if !view.open[place] || !pool.could(shape.cpu, shape.memory) {
                continue;
            }
            pool.crowded(shape.cpu, shape.memory)?;
            if least.is_none_or(|least| pool.by_load(&self.pools[least]).is_lt()) {
                least = Some(place);
            }
        }
        least
    }

    /// The first task of all that has somewhere to go.
    fn first(&self, view: &View) -> Option<(Key, Class, usize)> {
        let mut first: Option<(Rank, Class, usize)> = None;
        for head in self.queue.heads() {
            let rank = self.rank(head.shape, head.key, view);
            if first.as_ref().is_some_and(|(best, ..)| *best < rank) {
                continue;
            }
            if let Some(pool) = self.place(head.shape, rank, view) {
                first = Some((rank, head.class, pool));
            }
        }
        first.map(|((_, key), class, pool)| (key, class, pool))
    }

    /// Where such a task goes: for `skill-based` the first of the mapping's list, else where it fits
    /// best; for others where the load is least.
    fn place(&self, shape: &Shape, rank: Rank, view: &View) -> Option<usize> {
        let lane = &self.lanes[shape.lane as usize];
        let takes = |place: &usize| {
            let kept = view.kept_for[*place].is_some_and(|head| head < rank);
            view.open[*place]
                && !kept
                && self.pools[*place]
                    .crowded(shape.cpu, shape.memory)
                    .is_none()
        };
        let by_load = |a: &usize, b: &usize| self.pools[*a].by_load(&self.pools[*b]);
        let by_room = |a: &usize, b: &usize| self.pools[*a].by_room(&self.pools[*b]);
        if self.rules.policy == Policy::SkillBased {
            let (ordered, others) = lane.pools.split_at(lane.ordered);
            let first = ordered.iter().copied().find(takes);
            return first.or_else(|| others.iter().copied().filter(takes).min_by(by_room));
        }
        lane.pools.iter().copied().filter(takes).min_by(by_load)
    }

    /// The head that an agent pool is kept free for, before a task of this class and key.
    pub(super) fn kept_for(&self, pool: usize, key: Key, class: Class, now: i64) -> Option<Key> {
        let view = self.view(now)?;
        let rank = self.rank(self.queue.shape(class), key, &view);
        let (_, head) = view.kept_for[pool].filter(|head| *head < rank)?;
        Some(head)
    }

    /// What keeps an agent pool from taking a task of this shape now.
    pub(super) fn obstacle(&self, pool: usize, shape: &Shape, now: i64) -> Option<Obstacle> {
        let pool = &self.pools[pool];
        let closed = pool.closed(now);
        closed.or_else(|| pool.crowded(shape.cpu, shape.memory))
    }
}
