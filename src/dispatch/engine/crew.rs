//! The attempts at work: a thread each.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use super::{Message, Setting};
use crate::dispatch::attempt::{self, Attempt, Left, Plan, Reins, Returned, Told, Wanted};
use crate::dispatch::driven;
use crate::dispatch::files::Source;
use crate::dispatch::launcher::Launcher;
use crate::domain::Error;
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::state::Index;
use crate::domain::dispatch::{End, EndClass, RunState};
use crate::sys::clock;

/// All of them.
pub struct Crew<'scope, 'e> {
    threads: &'scope Scope<'scope, 'e>,
    setting: &'e Setting<'e>,
    sender: Sender<Message>,
    /// Those that are to begin.
    waiting: Vec<Plan>,
    /// Those that have not come to their very end, by token.
    at_work: BTreeMap<u64, Member>,
    /// Whoever works for a task has its turn, which is that of the first task with its branch: attempts
    /// on one branch never overlap, their slots' return included.
    turns: HashMap<Index, Arc<Mutex<()>>>,
}

struct Member {
    id: AttemptId,
    task: Index,
    /// Whose turn it has.
    turn: Index,
    launcher: Arc<dyn Launcher>,
    reins: Arc<Reins>,
    /// What its end means if it was brought about from here.
    meaning: Option<EndClass>,
    /// Whether its runner's end is known.
    ended: bool,
}

impl<'scope, 'e> Crew<'scope, 'e> {
    /// None yet.
    pub fn new(
        threads: &'scope Scope<'scope, 'e>,
        setting: &'e Setting<'e>,
        sender: Sender<Message>,
    ) -> Self {
        Self {
            threads,
            setting,
            sender,
            waiting: Vec::new(),
            at_work: BTreeMap::new(),
            turns: HashMap::new(),
        }
    }

    /// What an attempt is to do.
    pub fn plan(
        &self,
        state: &RunState,
        task: Index,
        id: AttemptId,
        agent_pool: &str,
        files: &[Source],
    ) -> Plan {
        let definition = state.tasks()[task].clone();
        let file = files.get(definition.file as usize);
        let home = file.and_then(|file| file.path.parent());
        let pools = &self.setting.agent_pools;
        let agent_pool = pools.iter().find(|pool| pool.name == agent_pool);
        Plan {
            id,
            home: home.unwrap_or(Path::new("/")).to_owned(),
            list: file.map(|file| file.name.clone()).unwrap_or_default(),
            // One that is configured no more runs nothing new.
            agent_pool: Arc::clone(agent_pool.unwrap_or(&pools[0])),
            prefer: state.progress(task).last_slot.clone(),
            deps: left_by(state, task),
            onto: left_on_branch(state, task),
            may_wait: false,
            begun: None,
            task: definition,
        }
    }

    /// One more, to begin with the next [`Crew::start_all`].
    pub fn add(&mut self, plan: Plan) {
        self.waiting.push(plan);
    }

    /// Lets those begin that are to.
    pub fn start_all(&mut self, state: &RunState) {
        for plan in std::mem::take(&mut self.waiting) {
            let Some(task) = state.index(&plan.id.task) else {
                continue;
            };
            self.start(task, turn(state, task), plan);
        }
    }

    fn start(&mut self, task: Index, turn: Index, plan: Plan) {
        let launcher = self.setting.launchers.of(&plan.agent_pool);
        let reins = Arc::new(Reins::default());
        let member = Member {
            id: plan.id.clone(),
            task,
            turn,
            launcher: Arc::clone(&launcher),
            reins: Arc::clone(&reins),
            meaning: None,
            ended: false,
        };
        self.at_work.insert(plan.id.token, member);
        let workshop = self.setting.workshop;
        let instead = |end| Told::Ended { end, left: None };
        self.spawn(turn, plan.id.clone(), instead, move |tell| {
            let attempt = Attempt {
                workshop,
                plan,
                launcher,
                reins,
                tell,
            };
            attempt.run();
        });
    }

    /// Gives back a slot that an earlier dispatcher did not.
    pub fn give_back(&mut self, state: &RunState, id: AttemptId, slot: SlotRef) {
        let Some(task) = state.index(&id.task) else {
            return;
        };
        let turn = turn(state, task);
        let member = Member {
            id: id.clone(),
            task,
            turn,
            launcher: self.setting.launchers.of(&self.setting.agent_pools[0]),
            reins: Arc::default(),
            meaning: None,
            ended: true,
        };
        self.at_work.insert(id.token, member);
        let workshop = self.setting.workshop;
        let slot_id = slot.id();
        let own = id.clone();
        let instead = |end: End| {
            Told::Returned(Returned {
                slot_id,
                rescue: None,
                error: end.reason,
                is_kept: true,
            })
        };
        self.spawn(turn, id, instead, move |tell| {
            tell(Told::Returned(attempt::give_back(workshop, &own, &slot)));
            tell(Told::Over);
        });
    }

    /// Clears away what earlier dispatchers have left, but for these attempts; what has to do with slots
    /// is for those `held` done when they are given back.
    pub fn clear_away(&self, keep: Vec<PathBuf>, held: Vec<PathBuf>) {
        let Setting {
            workshop,
            launchers,
            ..
        } = *self.setting;
        if launchers.are_local() {
            return;
        }
        let now = clock::now();
        // Without a thread for it, the next dispatcher does it.
        let _ = std::thread::Builder::new().spawn_scoped(self.threads, move || {
            let all = workshop.run.attempts().into_iter();
            let mut left = all.filter(|dir| !keep.contains(dir) && !held.contains(dir));
            // An engine that does not answer is not asked again and again.
            let _ = left.try_for_each(|dir| driven::finish_late(&dir, now, false));
            launchers.clear_away(workshop.run.path(), &keep, now);
        });
    }

    /// Does it in a thread; `instead` is told if there can't be one.
    fn spawn(
        &mut self,
        turn: Index,
        id: AttemptId,
        instead: impl FnOnce(End) -> Told,
        work: impl FnOnce(&dyn Fn(Told)) + Send + 'scope,
    ) {
        let turn = Arc::clone(self.turns.entry(turn).or_default());
        let sender = self.sender.clone();
        // Nobody hears it only if the engine is gone, and then nothing is to be told.
        let name = id.clone();
        let tell = move |told| drop(sender.send(Message::Attempt(name.clone(), told)));
        let told = tell.clone();
        let thread = std::thread::Builder::new().spawn_scoped(self.threads, move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            work(&told);
        });
        if let Err(error) = thread {
            let error = Error::failed(format!("cannot start a thread: {error}"));
            tell(instead(attempt::failed(EndClass::Infra, &error)));
            tell(Told::Over);
        }
    }

    /// An attempt's runner is there no more. What its end means, if it was brought about from here.
    pub fn ended(&mut self, id: &AttemptId) -> Option<EndClass> {
        let member = self.at_work.get_mut(&id.token)?;
        member.ended = true;
        member.meaning
    }

    /// An attempt's thread has nothing more to do.
    pub fn over(&mut self, id: &AttemptId) {
        if let Some(member) = self.at_work.remove(&id.token)
            && !self.at_work.values().any(|other| other.turn == member.turn)
        {
            self.turns.remove(&member.turn);
        }
    }

    /// Whether nobody is at work, or about to be.
    pub fn is_idle(&self) -> bool {
        self.at_work.is_empty() && self.waiting.is_empty()
    }

    /// Ends the attempt of a task that somebody cancelled. Which, if it has not been asked before.
    pub fn cancel(&mut self, task: Index) -> Option<AttemptId> {
        let mut members = self.at_work.values_mut();
        let member = members.find(|member| member.task == task && !member.ended)?;
        let first = member.meaning.replace(EndClass::Cancelled).is_none();
        member.reins.pull(&*member.launcher, Wanted::Stop);
        first.then(|| member.id.clone())
    }

    /// Nobody starts a runner any more.
    pub fn hold_all(&mut self) {
        for member in self.at_work.values_mut().filter(|member| !member.ended) {
            member.reins.pull(&*member.launcher, Wanted::Hold);
        }
    }

    /// Ends all runners. Which, if they have not been asked before.
    pub fn stop_all(&mut self, wanted: Wanted) -> Vec<AttemptId> {
        let mut asked = Vec::new();
        for member in self.at_work.values_mut().filter(|member| !member.ended) {
            if member.meaning.is_none() {
                member.meaning = Some(EndClass::Stopped);
                asked.push(member.id.clone());
            }
            member.reins.pull(&*member.launcher, wanted);
        }
        asked
    }
}

/// What the dependencies of a task left, in the order in which it names them.
fn left_by(state: &RunState, task: Index) -> Vec<Left> {
    let depends = state.graph().depends(task);
    let left = |task: Index| {
        let (commit, branch) = &**state.progress(task).left.as_ref()?;
        Some(Left {
            task: state.tasks()[task].id.to_string(),
            commit: commit.clone(),
            branch: branch.clone(),
        })
    };
    depends.filter_map(left).collect()
}

/// What was left last on a task's branch by another one that is done.
fn left_on_branch(state: &RunState, task: Index) -> Option<String> {
    let others = state.branches().sharing(task).iter();
    let left = others.filter(|other| **other != task).filter_map(|other| {
        let progress = state.progress(*other);
        Some((progress.since, progress.left.as_ref()?))
    });
    let last = left.max_by_key(|(since, _)| *since);
    last.map(|(_, left)| left.0.clone())
}

/// Whose turn a task has.
fn turn(state: &RunState, task: Index) -> Index {
    let sharing = state.branches().sharing(task).first();
    sharing.copied().unwrap_or(task)
}
