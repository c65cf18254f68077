//! The documents, as readers get them.

#![expect(
    dead_code,
    reason = "only the shapes of these count: the commands print the same from what they have at hand"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Files, of};
use crate::domain::dispatch::Record;
use crate::domain::event::Event;
use crate::domain::outcome::{
    AgentPoolView, AppliedView, AskedView, BranchView, Collected, ConfigChecked, ConfigPath,
    Dropped, ImportView, ManView, MetricsView, PlanView, PoolNames, PoolSummary, PoolView,
    Recovered, Released, Removed, RescueDetails, RescueView, Restored, RunView, SettingView,
    SlotView, TaskGraph, TaskLogView, TasksChecked, Warmed, WhyView, WorkspaceView,
};
use crate::report::failure::document::FailureDocument;

/// All documents by the names of their files.
pub(super) fn all() -> Files {
    let mut files = Files::from([
        of::<Slot>(
            "slot",
            "A slot: `allocate`, `renew`, `add-slot`, `isolate`, `status SLOT`.",
        ),
        of::<Slots>("slots", "The slots that `add-slot -n` made."),
        of::<Pool>("pool", "A pool with its slots: `create`, `status POOL`."),
        of::<Pools>("pools", "All pools with their counts: `status`."),
        of::<Release>("release", "A slot that was given back: `release`."),
        of::<Releases>(
            "released",
            "Slots that were given back: `release` of several, or of none (`--key`).",
        ),
        of::<Recover>("recover", "What is wrong, and what was done: `recover`."),
        of::<Rescues>("rescues", "Saved work: `rescue list`."),
        of::<Branches>("branches", "The remote's branches: `branches`."),
        of::<DispatchRun>(
            "dispatch-run",
            "A run as it stands: `dispatch status`, and `dispatch run` at its end.",
        ),
        of::<DispatchEvent>(
            "dispatch-events",
            "One line of what happened in a run: `dispatch events`.",
        ),
        of::<AgentPools>(
            "dispatch-pools",
            "The agent pools of a run: `dispatch pool list`.",
        ),
        of::<Event>("log", "One line of the history: `log`."),
        of::<Failed>("error", "A failure, on stderr."),
        of::<Warned>("warning", "A warning, on stderr."),
    ]);
    files.extend(results());
    files
}

/// Those with all they have to say in `result`.
fn results() -> [(String, String); 22] {
    [
        of::<Of<PlanView>>(
            "dispatch-plan",
            "What would start, and in which order: `dispatch run --dry-run`.",
        ),
        of::<Of<WhyView>>("dispatch-why", "Why a task is where it is: `dispatch why`."),
        of::<Of<TaskLogView>>(
            "dispatch-log",
            "Where the output of a task's attempts is: `dispatch log`.",
        ),
        of::<Of<AskedView>>(
            "dispatch-asked",
            "What was asked of a run: `dispatch retry`, `cancel`, `prio`, `add`, and `pool` where it changes one.",
        ),
        of::<Of<RescueDetails>>("rescue", "All about saved work: `rescue show`."),
        of::<Of<Restored>>("restored", "Saved work, brought back: `rescue restore`."),
        of::<Of<Dropped>>("dropped", "Saved work, given up: `rescue drop`."),
        of::<Of<Collected>>("collect", "Branches that were brought over: `collect`."),
        of::<Of<Removed>>("removed", "What is gone: `remove-slot`, `remove-pool`."),
        of::<Of<Warmed>>("warm", "What was made ready ahead of use: `warm`."),
        of::<Of<MetricsView>>("metrics", "How the work went: `metrics`."),
        of::<Of<AppliedView>>("apply", "What was done or would be: `apply`."),
        of::<Of<WorkspaceView>>("init", "The workspace: `init`."),
        of::<Of<PoolNames>>("list", "The names of all pools: `list`."),
        of::<Of<Settings>>(
            "config-show",
            "The settings in effect: `config show`. `defaults`, `pools.NAME` for each pool that is declared, `dispatch`, and `agent_pools.NAME` for each agent pool that is.",
        ),
        of::<Of<ConfigChecked>>("config-check", "A file without mistakes: `config check`."),
        of::<Of<ConfigPath>>("config-path", "Where the settings are: `config path`."),
        of::<Of<ImportView>>(
            "config-import",
            "Settings of the original: `config import`.",
        ),
        of::<Of<PlanView>>(
            "dispatch-plan",
            "What a run would do: `dispatch run --dry-run`.",
        ),
        of::<Of<TasksChecked>>(
            "dispatch-check",
            "Task files without mistakes: `dispatch check`.",
        ),
        of::<Of<TaskGraph>>(
            "dispatch-graph",
            "Tasks and what they wait for: `dispatch graph`.",
        ),
        of::<Of<ManView>>("man", "Where the manual pages are: `man DIR`."),
    ]
}

/// The number of the contract.
struct Number;

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "The number of the contract.", "const": 1 })
    }
}

/// The settings, by their groups and keys.
type Settings = BTreeMap<String, BTreeMap<String, SettingView>>;

#[derive(JsonSchema)]
struct Of<T> {
    schema: Number,
    result: T,
}

#[derive(JsonSchema)]
struct Slot {
    schema: Number,
    slot: SlotView,
}

#[derive(JsonSchema)]
struct Slots {
    schema: Number,
    slots: Vec<SlotView>,
}

#[derive(JsonSchema)]
struct Pool {
    schema: Number,
    pool: PoolView,
}

#[derive(JsonSchema)]
struct Pools {
    schema: Number,
    pools: Vec<PoolSummary>,
}

#[derive(JsonSchema)]
struct DispatchRun {
    schema: Number,
    run: RunView,
}

#[derive(JsonSchema)]
struct DispatchEvent {
    schema: Number,
    #[schemars(flatten)]
    record: Record,
}

#[derive(JsonSchema)]
struct AgentPools {
    schema: Number,
    agent_pools: Vec<AgentPoolView>,
}

#[derive(JsonSchema)]
struct Release {
    schema: Number,
    #[schemars(flatten)]
    released: Released,
}

#[derive(JsonSchema)]
struct Releases {
    schema: Number,
    released: Vec<Released>,
}

#[derive(JsonSchema)]
struct Recover {
    schema: Number,
    #[schemars(flatten)]
    recovered: Recovered,
}

#[derive(JsonSchema)]
struct Rescues {
    schema: Number,
    rescues: Vec<RescueView>,
}

#[derive(JsonSchema)]
struct Branches {
    schema: Number,
    branches: Vec<BranchView>,
}

#[derive(JsonSchema)]
struct Failed<'a> {
    schema: Number,
    error: FailureDocument<'a>,
}

#[derive(JsonSchema)]
struct Warned {
    schema: Number,
    /// What is not as it should be, for people.
    warning: String,
}
