//! The names there are: pools, slots, saved work, branches and tags, runs and their tasks. Read from the
//! workspace's files without a lock; what
//! can't be read has no names.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap_complete::engine::CompletionCandidate;

use crate::config::Environment;
use crate::dispatch::run::{RunDir, Terms};
use crate::domain::Result;
use crate::domain::dispatch::TaskState;
use crate::domain::names::{self, PoolName};
use crate::domain::pool::PoolRecord;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::git::remote::TRACKING;
use crate::git::{ref_files, rescue};
use crate::report::escape::escape;
use crate::report::human;
use crate::store::workspace::{self, Places};
use crate::store::{Workspace, pool as store};

/// What a value can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Pool,
    /// A slot, in one of these states.
    Slot(&'static [SlotState]),
    PoolOrSlot,
    Rescue,
    /// A run of the dispatcher.
    Run,
    /// A task of a run, in one of these states.
    Task(&'static [TaskState]),
    AgentPool,
    /// A branch or tag of the remote's.
    Ref,
    /// A branch, of the remote's or one that was made in a slot.
    Branch,
}

/// Tasks that can be run again.
const RETRYABLE: &[TaskState] = &[
    TaskState::Failed,
    TaskState::Cancelled,
    TaskState::NeedsAttention,
    TaskState::Retrying,
];

/// Tasks that have not come to an end.
const OPEN: &[TaskState] = &[
    TaskState::Waiting,
    TaskState::Ready,
    TaskState::Running,
    TaskState::Retrying,
    TaskState::Blocked,
    TaskState::NeedsAttention,
];

/// Every state.
const ANY: &[SlotState] = &[
    SlotState::Available,
    SlotState::Allocated,
    SlotState::Cleaning,
    SlotState::Error,
];

impl Wanted {
    /// What the value called `value` of `verb` can be.
    pub(super) fn of(verb: &str, value: &str, positional: bool) -> Option<Self> {
        Some(match (value, verb) {
            ("POOL", _) => Self::Pool,
            ("POOL|SLOT", _) => Self::PoolOrSlot,
            ("SLOT", "release" | "renew" | "collect" | "restore") => {
                Self::Slot(&[SlotState::Allocated])
            }
            ("SLOT", "isolate") => Self::Slot(&[SlotState::Available]),
            ("SLOT", _) => Self::Slot(ANY),
            ("ID", "show" | "restore" | "drop") if positional => Self::Rescue,
            ("RUN", _) => Self::Run,
            ("TASK", "retry") => Self::Task(RETRYABLE),
            ("TASK", "cancel" | "prio") => Self::Task(OPEN),
            ("TASK", _) => Self::Task(&TaskState::ALL),
            ("NAME", "enable" | "disable" | "set") if positional => Self::AgentPool,
            ("REF", "allocate" | "exec") => Self::Ref,
            ("NAME", "allocate" | "exec") => Self::Branch,
            _ => return None,
        })
    }

    /// Whether a path does as well.
    pub(super) fn may_be_path(self) -> bool {
        matches!(self, Self::Pool | Self::Slot(_) | Self::PoolOrSlot)
    }
}

/// Where names are looked for.
pub(super) struct Names {
    workspace: Option<Workspace>,
    /// The run that the words name.
    run: Option<String>,
    words: Vec<OsString>,
}

impl Names {
    /// The names in the workspace that a command with these words would use.
    pub(super) fn new(words: &[OsString], environment: &Environment) -> Self {
        let places = Places {
            flag: named(words, "--workspace").map(|path| at_home(path.into(), environment)),
            variable: environment.workspace(),
            current: std::env::current_dir().ok(),
            data_home: environment.data_home(),
            home: environment.home(),
        };
        let located = workspace::locate(&places).ok();
        Self {
            workspace: located.and_then(|located| Workspace::open(&located, true).ok().flatten()),
            run: named(words, "--run").and_then(|run| run.into_string().ok()),
            words: words.to_vec(),
        }
    }

    pub(super) fn of(&self, wanted: Wanted) -> Vec<CompletionCandidate> {
        match wanted {
            Wanted::Pool => self.pools(),
            Wanted::Slot(states) => self.slots(states),
            Wanted::PoolOrSlot => {
                let mut both = self.pools();
                both.extend(self.slots(ANY));
                both
            }
            Wanted::Rescue => self.rescues(),
            Wanted::Run => self.runs(),
            Wanted::Task(states) => self.tasks(states).unwrap_or_default(),
            Wanted::AgentPool => self.agent_pools().unwrap_or_default(),
            Wanted::Ref => self.refs(&[TRACKING, "refs/tags/"]),
            Wanted::Branch => self.refs(&[TRACKING, "refs/heads/"]),
        }
    }

    /// The pools, each with its record if that can be read.
    fn all(&self) -> Vec<(PoolName, Option<PoolRecord>)> {
        let Some(workspace) = &self.workspace else {
            return Vec::new();
        };
        let names = workspace.pool_names().unwrap_or_default().into_iter();
        names
            .map(|name| {
                let record = store::read(workspace, &name).ok();
                (name, record)
            })
            .collect()
    }

    fn pools(&self) -> Vec<CompletionCandidate> {
        let pools = self.all().into_iter().map(|(name, record)| {
            let about = record.map(|record| about_pool(&record).into());
            CompletionCandidate::new(name.as_str()).help(about)
        });
        pools.collect()
    }

    fn slots(&self, states: &[SlotState]) -> Vec<CompletionCandidate> {
        let mut slots = Vec::new();
        for (pool, record) in self.all() {
            let all = record.map(|record| record.slots).unwrap_or_default();
            let of_states = all.iter().filter(|slot| states.contains(&slot.state));
            slots.extend(of_states.map(|slot| {
                let name = format!("{pool}/{}", names::dir_name(slot.number));
                CompletionCandidate::new(name).help(Some(about_slot(slot).into()))
            }));
        }
        slots
    }

    fn rescues(&self) -> Vec<CompletionCandidate> {
        let Some(workspace) = &self.workspace else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for name in workspace.pool_names().unwrap_or_default() {
            let ids = rescue::ids(&workspace.pool(&name).repository());
            found.extend(
                ids.unwrap_or_default()
                    .into_iter()
                    .map(CompletionCandidate::new),
            );
        }
        found
    }

    /// The refs below `prefixes` in the pool that the line names, by what follows there.
    fn refs(&self, prefixes: &[&str]) -> Vec<CompletionCandidate> {
        let Some(workspace) = &self.workspace else {
            return Vec::new();
        };
        let pools = workspace.pool_names().unwrap_or_default();
        let mut words = self.words.iter().skip(1);
        let Some(pool) = words.find_map(|word| pools.iter().find(|pool| word == pool.as_str()))
        else {
            return Vec::new();
        };
        let refs = ref_files::read(&workspace.pool(pool).repository());
        let all = refs.unwrap_or_default().found;
        let short = |name: &String| {
            let mut below = prefixes
                .iter()
                .filter_map(|prefix| name.strip_prefix(prefix));
            below.next().map(str::to_owned)
        };
        let names: BTreeSet<String> = all.keys().filter_map(short).collect();
        names
            .into_iter()
            .filter(|name| name != "HEAD" && !name.starts_with(OF_SLOTS))
            .map(CompletionCandidate::new)
            .collect()
    }
}

impl Names {
    fn runs(&self) -> Vec<CompletionCandidate> {
        let runs = self.workspace.as_ref().map(RunDir::all);
        let runs = runs.and_then(Result::ok).unwrap_or_default();
        let names = runs.iter().map(|run| CompletionCandidate::new(run.name()));
        names.collect()
    }

    fn run(&self) -> Option<RunDir> {
        let workspace = self.workspace.as_ref()?;
        RunDir::find(workspace, self.run.as_deref()).ok()
    }

    fn tasks(&self, states: &[TaskState]) -> Option<Vec<CompletionCandidate>> {
        let state = self.run()?.read().ok()?.state;
        let tasks = state.tasks().iter().enumerate();
        let wanted = tasks.filter(|(index, task)| {
            // What can't be typed as it is shown is not offered.
            states.contains(&state.progress(*index).state) && escape(&task.id) == *task.id
        });
        let offered = wanted.map(|(index, task)| {
            let word = state.progress(index).state.word();
            let about = match task.title.is_empty() {
                true => word.to_owned(),
                false => format!("{word}, {}", escape(&task.title)),
            };
            CompletionCandidate::new(&*task.id).help(Some(about.into()))
        });
        Some(offered.collect())
    }

    fn agent_pools(&self) -> Option<Vec<CompletionCandidate>> {
        let terms = Terms::read(&self.run()?).ok()??;
        let pools = terms.agent_pools.into_iter();
        Some(
            pools
                .map(|pool| CompletionCandidate::new(pool.name))
                .collect(),
        )
    }
}
/// Where slots are that were given no branch.
const OF_SLOTS: &str = "worktree/";

/// `2 of 4 slots available`.
fn about_pool(record: &PoolRecord) -> String {
    let slots = human::count(record.slots.len() as u64, "slot");
    format!(
        "{} of {slots} available",
        record.count(SlotState::Available)
    )
}

/// `allocated, agent-7`.
fn about_slot(slot: &SlotRecord) -> String {
    let owner = slot.allocation.as_ref().map(|allocation| &allocation.owner);
    let label = owner.and_then(|owner| owner.label.as_deref());
    match label {
        Some(label) => format!("{}, {}", slot.state, escape(label)),
        None => slot.state.to_string(),
    }
}

/// The value that the words give an option.
fn named(words: &[OsString], option: &str) -> Option<OsString> {
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == option {
            return words.next().cloned();
        }
        let value = word
            .to_str()
            .and_then(|word| word.strip_prefix(option)?.strip_prefix('='));
        if value.is_some() {
            return value.map(OsString::from);
        }
    }
    None
}

/// A path as it is typed, with what the shell makes of a leading `~`.
fn at_home(path: PathBuf, environment: &Environment) -> PathBuf {
    match (path.strip_prefix("~"), environment.home()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_the_one_that_the_words_name() {
        let named = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            named(&words, "--workspace").map(|path| path.to_string_lossy().into_owned())
        };
        assert_eq!(named("repo-pool --workspace /w status"), Some("/w".into()));
        assert_eq!(named("repo-pool status --workspace=/w"), Some("/w".into()));
        assert_eq!(named("repo-pool exec p -- x --workspace /w"), None);
        assert_eq!(named("repo-pool --workspaces /w"), None);
        let environment = Environment::from_pairs([("HOME", "/home/me")]);
        assert_eq!(
            at_home("~/w".into(), &environment),
            PathBuf::from("/home/me/w")
        );
        assert_eq!(at_home("/~/w".into(), &environment), PathBuf::from("/~/w"));
    }
}
