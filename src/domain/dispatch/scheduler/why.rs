//! Why a task waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::super::super::age::age;
use super::super::state::{Index, RunState, TaskState};
use super::files::Taken;
use super::fit::{bytes, impossible, processors};
use super::pools::Obstacle;
use super::queue::Door;
use super::{Scheduler, Use};

/// One reason. Times are seconds from the moment that was asked about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// A dependency has not come to an end.
    Dependency {
        /// Its id.
        task: Arc<str>,
        /// Where it stands.
        state: TaskState,
    },
    /// A dependency has come to a bad end.
    Blocked {
        /// The id of the task at the root of it.
        task: Arc<str>,
        /// Where that one stands.
        state: TaskState,
    },
    /// It failed and is tried again.
    Retry {
        /// In so many seconds.
        seconds: f64,
        /// How many attempts count so far.
        counted: u32,
        /// How many it has.
        max_attempts: u32,
    },
    /// A person has to decide.
    Question {
        /// What.
        question: Box<str>,
        /// The command that decides it.
        command: Box<str>,
    },
    /// All runners are at work that there may be.
    Global {
        /// How many are.
        running: usize,
        /// How many may be.
        max: u32,
    },
    /// An agent pool takes nothing.
    Disabled {
        /// Its name.
        agent_pool: Arc<str>,
    },
    /// An agent pool rests, because a task said "try later".
    Cooling {
        /// Its name.
        agent_pool: Arc<str>,
        /// For so many seconds more.
        seconds: f64,
    },
    /// An agent pool has all its runners at work.
    Full {
        /// Its name.
        agent_pool: Arc<str>,
        /// How many are.
        running: u32,
        /// How many may be.
        max: u32,
    },
    /// An agent pool has not enough processors left.
    Cpu {
        /// Its name.
        agent_pool: Arc<str>,
        /// What the task asks for, in thousandths of a processor.
        wanted: u64,
        /// What others have asked for.
        used: u64,
        /// What all may ask for.
        quota: u64,
    },
    /// An agent pool has not enough memory left.
    Memory {
        /// Its name.
        agent_pool: Arc<str>,
        /// What the task asks for, in bytes.
        wanted: u64,
        /// What others have asked for.
        used: u64,
        /// What all may ask for.
        quota: u64,
    },
    /// An agent pool is kept free for a larger task that has waited too long.
    Kept {
        /// Its name.
        agent_pool: Arc<str>,
        /// The larger task's id.
        task: Arc<str>,
    },
    /// Another task that runs has declared the same file.
    File {
        /// The file.
        file: Arc<str>,
        /// The other's id.
        task: Arc<str>,
    },
    /// Another task that goes first waits for the same file.
    FileNext {
        /// The file.
        file: Arc<str>,
        /// The other's id.
        task: Arc<str>,
    },
    /// Its repository has no free slot.
    Slot {
        /// The repository pool, as the task names it.
        repo: Arc<str>,
        /// For so many seconds now.
        seconds: f64,
        /// It is asked again in so many, if no slot comes back before.
        again: f64,
    },
    /// Its branch is in a slot that somebody has.
    Branch {
        /// Which slot, and who that is.
        why: Arc<str>,
        /// It is asked for again in so many seconds.
        again: f64,
    },
    /// Others go first.
    Behind {
        /// How many.
        tasks: usize,
    },
    /// It can never run.
    Impossible {
        /// Why.
        why: String,
    },
    /// Nothing keeps it: it is next.
    Next,
}

/// Why a task does not run; empty if it does, or has come to an end by itself.
pub fn why(
    state: &RunState,
    scheduler: &mut Scheduler,
    task: Index,
    now: Timestamp,
) -> Vec<Reason> {
    let progress = state.progress(task);
    let named = |other: Index| (state.tasks()[other].id.clone(), state.progress(other).state);
    match progress.state {
        TaskState::Waiting => state
            .waits_for(task)
            .map(named)
            .map(|(task, state)| Reason::Dependency { task, state })
            .collect(),
        TaskState::Blocked => state
            .blocker(task)
            .map(named)
            .map(|(task, state)| Reason::Blocked { task, state })
            .into_iter()
            .collect(),
        TaskState::Retrying => vec![Reason::Retry {
            seconds: progress
                .retry_at
                .map_or(0.0, |at| at.duration_since(now).as_secs_f64().max(0.0)),
            counted: progress.counted,
            max_attempts: state.tasks()[task].max_attempts,
        }],
        TaskState::NeedsAttention => vec![Reason::Question {
            question: progress.note.clone().unwrap_or_default(),
            command: progress.answer.clone().unwrap_or_default(),
        }],
        TaskState::Ready => scheduler.why(task, now.as_millisecond()),
        _ => Vec::new(),
    }
}

impl Scheduler {
    /// Why a ready task is not placed; empty if it is not ready here.
    pub fn why(&mut self, task: Index, now: i64) -> Vec<Reason> {
        let Some(key) = self.ready.get(&task).copied() else {
            return Vec::new();
        };
        if let Some(why) = impossible(&self.tasks[task], &self.configured, &self.rules) {
            return vec![Reason::Impossible { why }];
        }
        self.queue.reopen(now);
        self.bring_back(now);
        let class = self.class(task);
        let mut reasons = self.files_in_the_way(key, class);
        reasons.extend(self.branch_in_the_way(task, now));
        reasons.extend(self.door_in_the_way(task, class, now));
        let (running, max) = (self.running.len(), self.rules.max_global_concurrency);
        if running >= max as usize {
            reasons.push(Reason::Global { running, max });
        }
        let lane = self.queue.shape(class).lane as usize;
        let pools = self.lanes[lane].pools.clone();
        let mut somewhere = false;
        for pool in pools {
            let reason = self.pool_in_the_way(pool, key, class, now);
            somewhere |= reason.is_none();
            reasons.extend(reason);
        }
        let ahead = self.ahead(key, class);
        if ahead > 0 {
            reasons.push(Reason::Behind { tasks: ahead });
        }
        if reasons.is_empty() && somewhere {
            reasons.push(Reason::Next);
        }
        reasons
    }

    fn files_in_the_way(&self, key: super::Key, class: u32) -> Vec<Reason> {
        let id = |task: Index| self.tasks[task].id.clone();
        let obstacles = self.files.obstacles(key, class).into_iter();
        obstacles
            .map(|(file, taken)| match taken {
                Taken::Held(task) => Reason::File {
                    file,
                    task: id(task),
                },
                Taken::Claimed(task) => Reason::FileNext {
                    file,
                    task: id(task),
                },
            })
            .collect()
    }

    fn door_in_the_way(&self, task: Index, class: u32, now: i64) -> Option<Reason> {
        let repo = self.tasks[task].repo.clone()?;
        let Door::Scarce {
            since,
            known: 0,
            asked_at,
            ..
        } = self.queue.door(class)
        else {
            return None;
        };
        Some(Reason::Slot {
            repo,
            seconds: seconds(now - since),
            again: seconds(asked_at - now),
        })
    }

    fn pool_in_the_way(
        &mut self,
        place: usize,
        key: super::Key,
        class: u32,
        now: i64,
    ) -> Option<Reason> {
        let shape = self.queue.shape(class).clone();
        let pool = &self.pools[place];
        if !pool.could(shape.cpu, shape.memory) {
            return Some(Reason::Impossible {
                why: impossible(
                    &self.tasks[key.task()],
                    std::slice::from_ref(&self.configured[place]),
                    &self.rules,
                )
                .unwrap_or_default(),
            });
        }
        if let Some(obstacle) = self.obstacle(place, &shape, now) {
            return Some(in_words(obstacle, pool, &shape, now));
        }
        let agent_pool = pool.agent_pool.clone();
        let head = self.kept_for(place, key, class, now)?;
        let task = self.tasks[head.task()].id.clone();
        Some(Reason::Kept { agent_pool, task })
    }

    /// How many ready tasks go before one that has the same agent pools to go to.
    fn ahead(&self, key: super::Key, class: u32) -> usize {
        let lane = self.queue.shape(class).lane;
        let ready = self.queue.all();
        ready
            .filter(|(other, class)| *other < key && self.queue.shape(*class).lane == lane)
            .count()
    }
}

fn in_words(obstacle: Obstacle, pool: &Use, shape: &super::Shape, now: i64) -> Reason {
    let agent_pool = pool.agent_pool.clone();
    match obstacle {
        Obstacle::Disabled => Reason::Disabled { agent_pool },
        Obstacle::Cooling(until) => Reason::Cooling {
            agent_pool,
            seconds: seconds(until - now),
        },
        Obstacle::Full => Reason::Full {
            agent_pool,
            running: pool.running,
            max: pool.max_concurrency,
        },
        Obstacle::Cpu => Reason::Cpu {
            agent_pool,
            wanted: shape.cpu.into(),
            used: pool.cpu,
            quota: pool.cpu_quota.unwrap_or_default(),
        },
        Obstacle::Memory => Reason::Memory {
            agent_pool,
            wanted: shape.memory,
            used: pool.memory,
            quota: pool.memory_quota.unwrap_or_default(),
        },
    }
}

pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds.max(0) as f64 / 1000.0
}

/// A time to come, which is never said to be over while it is not.
fn to_come(seconds: f64) -> String {
    age(Duration::from_secs_f64(seconds.max(0.0).ceil()))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency { task, state } => {
                write!(f, "it waits for task {task}, which {}", standing(*state))
            }
            Self::Blocked { task, state } => write!(f, "task {task} {}", standing(*state)),
            Self::Retry {
                seconds,
                counted,
                max_attempts,
            } => write!(
                f,
                "it failed, and is tried again in {} ({counted} of {max_attempts} attempts are used up)",
                to_come(*seconds)
            ),
            Self::Question { question, command } => {
                write!(f, "a person has to decide: {question} ({command})")
            }
            Self::Global { running, max } => {
                write!(
                    f,
                    "{running} runners are at work, max_global_concurrency is {max}"
                )
            }
            Self::Disabled { agent_pool } => write!(f, "agent pool {agent_pool} is disabled"),
            Self::Cooling {
                agent_pool,
                seconds,
            } => write!(
                f,
                "agent pool {agent_pool} rests for {} more, since a task said \"try later\"",
                to_come(*seconds)
            ),
            Self::Full {
                agent_pool,
                running,
                max,
            } => write!(
                f,
                "agent pool {agent_pool} has {running} of {max} runners at work"
            ),
            Self::Cpu {
                agent_pool,
                wanted,
                used,
                quota,
            } => write!(
                f,
                "it asks for {} CPU, and agent pool {agent_pool} has given {} of {}",
                processors(*wanted),
                processors(*used),
                processors(*quota)
            ),
            Self::Memory {
                agent_pool,
                wanted,
                used,
                quota,
            } => write!(
                f,
                "it asks for {} of memory, and agent pool {agent_pool} has given {} of {}",
                bytes(*wanted),
                bytes(*used),
                bytes(*quota)
            ),
            Self::Kept { agent_pool, task } => write!(
                f,
                "agent pool {agent_pool} is kept free for task {task}, which is larger and has waited too long"
            ),
            Self::File { file, task } => write!(f, "task {task} runs and has declared {file} too"),
            Self::FileNext { file, task } => {
                write!(f, "task {task} goes first and has declared {file} too")
            }
            Self::Slot {
                repo,
                seconds,
                again,
            } => {
                let since = age(Duration::from_secs_f64(*seconds));
                let again = to_come(*again);
                write!(
                    f,
                    "no slot of {repo} has been free for {since}; it is asked again in {again}"
                )
            }
            Self::Branch { why, again } => {
                write!(f, "{why}; it is asked for again in {}", to_come(*again))
            }
            Self::Behind { tasks: 1 } => f.write_str("1 task goes first"),
            Self::Behind { tasks } => write!(f, "{tasks} tasks go first"),
            Self::Impossible { why } => write!(f, "it can never run: {why}"),
            Self::Next => f.write_str("nothing: it is next"),
        }
    }
}

/// A state as part of a sentence about a task.
fn standing(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waits itself",
        TaskState::Ready => "is ready, and has not begun",
        TaskState::Running => "runs",
        TaskState::Retrying => "failed and is tried again",
        TaskState::Done => "is done",
        TaskState::Failed => "failed",
        TaskState::Blocked => "is blocked",
        TaskState::Cancelled => "was cancelled",
        TaskState::NeedsAttention => "needs a person",
        TaskState::Dropped => "is in no file any more",
    }
}
