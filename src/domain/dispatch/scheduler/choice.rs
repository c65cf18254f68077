//! The decision who goes next, and where.

use super::patience::HEAD_PATIENCE;
use super::pools::Obstacle;
use super::queue::{Class, Shape};
use super::shares::Due;
use super::{Key, Placement, Policy, Running, Scheduler};

/// The order over all units: what the share groups are due first, then the key. The first task of a
/// group that others have passed for too long is due before all groups: those that are owed more may
/// fill its agent pool for ever, if room is what bounds them.
type Rank = (Due, Key);

/// How a decision sees things at one moment.
struct View {
    now: i64,
    /// Which agent pools could take some task.
    open: Vec<bool>,
    /// What share groups are due; empty where that does not matter.
    dues: Vec<Due>,
    /// The first task of each share group; likewise.
    leaders: Vec<Option<Key>>,
    /// Those of them that are due before all groups.
    overdue: Vec<Key>,
    /// For each agent pool the first task that has no room: where it has had none for too long, none
    /// behind it goes there.
    unfit: Vec<Option<Rank>>,
    /// Leaders that have no room, by the agent pool that has too little.
    roomless: Vec<(usize, Key)>,
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
            for (_, unfit) in view.unfit.iter().flatten() {
                self.unfit.begin(unfit.task(), now);
            }
            let (key, class, pool) = self.first(&view)?;
            let task = key.task();
            self.queue.remove(class, key);
            let files = self.files.leave(key, class);
            if self.files.obstacle(key).is_some() {
                self.forget(task);
                self.files.passed(key, now);
                if self.files.admit(key, class) {
                    self.queue.insert(class, key);
                }
                self.wake(&files);
                continue;
            }
            self.files.unclaim(task);
            self.ready.remove(&task);
            self.forget(task);
            self.pass(&view, class, pool);
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
            now,
            leaders: vec![None; dues.len()],
            overdue: Vec::new(),
            unfit: vec![None; open.len()],
            roomless: Vec::new(),
            open,
            dues,
        };
        self.see_leaders(&mut view);
        self.see_roomless(&mut view);
        Some(view)
    }

    fn see_leaders(&self, view: &mut View) {
        if view.dues.is_empty() {
            return;
        }
        for head in self.queue.heads() {
            let leader = &mut view.leaders[head.shape.share as usize];
            if leader.is_none_or(|leader| head.key < leader) {
                *leader = Some(head.key);
            }
        }
        let limit = self.shares.patience();
        let leaders = view.leaders.iter().flatten().copied();
        let is_overdue = |key: &Key| self.passed.is_over(key.task(), view.now, limit);
        view.overdue = leaders.filter(is_overdue).collect();
    }

    /// The tasks that can go nowhere now, and for which some agent pool has a runner but not the
    /// resources. One whose file is taken waits for that.
    fn see_roomless(&self, view: &mut View) {
        let quotas = |pool: &super::Use| pool.cpu_quota.is_some() || pool.memory_quota.is_some();
        if !self.pools.iter().any(quotas) {
            return;
        }
        for head in self.queue.heads() {
            let Some(pool) = self.too_small(head.shape, view) else {
                continue;
            };
            let is_leader = view.leads(head.shape, head.key);
            let rank = view.rank(head.shape, head.key);
            let is_first = view.unfit[pool].is_none_or(|first| rank < first);
            if !(is_leader || is_first) || self.files.obstacle(head.key).is_some() {
                continue;
            }
            if is_first {
                view.unfit[pool] = Some(rank);
            }
            if is_leader {
                view.roomless.push((pool, head.key));
            }
        }
    }

    /// A task of that class gets room there: leaders of other groups that have too little there are
    /// passed.
    fn pass(&mut self, view: &View, class: Class, pool: usize) {
        let own = self.queue.shape(class).share as usize;
        let own = view.leaders.get(own).copied().flatten();
        for (place, key) in &view.roomless {
            if *place == pool && Some(*key) != own {
                self.passed.begin(key.task(), view.now);
            }
        }
    }

    /// The first task that an agent pool has had no room for for too long.
    fn kept(&self, pool: usize, view: &View) -> Option<Rank> {
        let (due, key) = view.unfit[pool]?;
        let is_over =
            view.overdue.contains(&key) || self.unfit.is_over(key.task(), view.now, HEAD_PATIENCE);
        is_over.then_some((due, key))
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
            let rank = view.rank(head.shape, head.key);
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
            let kept = self.kept(*place, view).is_some_and(|head| head < rank);
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
        let rank = view.rank(self.queue.shape(class), key);
        let (_, head) = self.kept(pool, &view).filter(|head| *head < rank)?;
        Some(head)
    }

    /// What keeps an agent pool from taking a task of this shape now.
    pub(super) fn obstacle(&self, pool: usize, shape: &Shape, now: i64) -> Option<Obstacle> {
        let pool = &self.pools[pool];
        let closed = pool.closed(now);
        closed.or_else(|| pool.crowded(shape.cpu, shape.memory))
    }
}

impl View {
    /// Whether it is the first of its share group.
    fn leads(&self, shape: &Shape, key: Key) -> bool {
        self.leaders.get(shape.share as usize) == Some(&Some(key))
    }

    fn rank(&self, shape: &Shape, key: Key) -> Rank {
        let due = self.dues.get(shape.share as usize).copied();
        match self.overdue.contains(&key) {
            true => (Due::default(), key),
            false => (due.unwrap_or_default(), key),
        }
    }
}
