//! What `dispatch` takes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as Text;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::values;

/// What `dispatch` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchArgs {
    /// What is to be done with the queue.
    #[command(subcommand)]
    pub command: DispatchCommand,
}

/// The verbs of `dispatch`.
#[derive(Debug, Clone, Subcommand)]
pub enum DispatchCommand {
    /// Run the tasks of files, each in a slot of its own
    ///
    /// Reads the FILEs, checks them whole, and runs each task as soon as its dependencies are done
    /// and there is room for it. The same FILEs are the same run: started again after an end of any
    /// kind, also kill -9, it goes on where it was; runners that are still there are taken over.
    ///
    /// The first SIGINT, SIGTERM or SIGHUP lets the runners finish and starts nothing new; the
    /// second ends them. Either way the run can be resumed.
    ///
    /// Says on stderr what happens, and at the end what became of the tasks.
    Run(DispatchRunArgs),
    /// Check task files without running anything
    ///
    /// Every problem is named: ids that are missing or there twice, dependencies that don't exist,
    /// cycles, fields that are unknown, requests that no agent pool can ever meet.
    Check(DispatchCheckArgs),
    /// Print the graph of tasks and dependencies
    ///
    /// Of FILEs, or of a run, with where each task stands.
    Graph(DispatchGraphArgs),
    /// Show where a run stands
    ///
    /// Counts, agent pools, what runs, and what failed, is blocked or needs a person. With --watch
    /// does so again and again, until Ctrl-C: a terminal is redrawn in place.
    Status(DispatchStatusArgs),
    /// Print the output of a task's attempts
    Log(DispatchLogArgs),
    /// Say why a task is where it is, and which command helps
    Why(DispatchWhyArgs),
    /// Print what happened in a run, oldest first
    Events(DispatchEventsArgs),
    /// Run tasks again that failed, were cancelled or need a person
    ///
    /// Tasks that were blocked by them revive. Works while the run goes on and after its end: then
    /// `dispatch run` with the same files runs them.
    Retry(DispatchRetryArgs),
    /// Take tasks out of a run, and end them if they run
    Cancel(DispatchCancelArgs),
    /// Change the priority of a task
    Prio(DispatchPrioArgs),
    /// Let the tasks of another file join a run
    Add(DispatchAddArgs),
    /// Show or change the agent pools of a run
    Pool(DispatchPoolArgs),
}

/// Which run is meant.
#[derive(Debug, Clone, Default, Args)]
pub struct RunName {
    /// The run, as `dispatch status` calls it; its beginning is enough [default: the latest]
    #[arg(long, value_name = "RUN", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub run: Option<String>,
}

/// What stands in for what files do not say.
#[derive(Debug, Clone, Default, Args)]
pub struct TaskDefaults {
    /// The repository pool of tasks that name none: its name, a path, or a URL
    #[arg(long, value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub repo: Option<String>,
    /// The command of tasks that have none, and its arguments
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// What `dispatch run` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchRunArgs {
    /// The task files: TOML or JSON
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The order in which ready tasks go [default: scheduling_policy of the settings]
    #[arg(long, value_enum, value_name = "POLICY")]
    pub policy: Option<PolicyWord>,
    /// Run at most N tasks at once [default: max_global_concurrency of the settings]
    #[arg(long, value_name = "N", value_parser = values::count, value_hint = ValueHint::Other)]
    pub max: Option<u32>,
    /// Go on when all is done, and take up what changes in the files
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    /// Print in which order the tasks would start, and run none
    #[arg(long)]
    pub dry_run: bool,
    /// Run this task and what it depends on, and nothing else; may be repeated
    #[arg(long, value_name = "TASK", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub only: Vec<String>,
    /// Start nothing new once a task has failed
    #[arg(long)]
    pub fail_fast: bool,
    /// Begin anew; what there is of an earlier run of these files is set aside
    #[arg(long, conflicts_with = "dry_run")]
    pub fresh: bool,
    /// How long runners may take after a signal [default: graceful_shutdown_timeout of the settings]
    #[arg(long, value_name = "DURATION", value_parser = values::duration, value_hint = ValueHint::Other)]
    pub drain_timeout: Option<Duration>,
    /// Write the metrics to this file too, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<PathBuf>,
    /// Don't write states back into a taskset.json
    #[arg(long)]
    pub no_update_registry: bool,
    /// What stands in for what the files do not say.
    #[command(flatten)]
    pub defaults: TaskDefaults,
}

/// What `dispatch check` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchCheckArgs {
    /// The task files: TOML or JSON
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// What stands in for what the files do not say.
    #[command(flatten)]
    pub defaults: TaskDefaults,
}

/// What `dispatch graph` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchGraphArgs {
    /// The task files [default: the tasks of a run]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "run")]
    pub files: Vec<PathBuf>,
    /// As Graphviz reads it (the default)
    #[arg(long)]
    pub dot: bool,
    /// As Mermaid reads it
    #[arg(long, conflicts_with = "dot")]
    pub mermaid: bool,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch status` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchStatusArgs {
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
    /// List every task, also those that wait or are done
    #[arg(short, long)]
    pub all: bool,
    /// Show it anew at every change, and every DURATION [default: 2s]; Ctrl-C ends it
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
        default_missing_value = "2s", value_parser = values::some_time, value_hint = ValueHint::Other)]
    pub watch: Option<Duration>,
}

/// What `dispatch log` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchLogArgs {
    /// The task's id
    #[arg(value_name = "TASK", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub task: String,
    /// Go on with what comes, through all attempts to the task's end
    #[arg(short, long)]
    pub follow: bool,
    /// Print all attempts, the first one first [default: the last one]
    #[arg(long)]
    pub all: bool,
    /// Print this attempt
    #[arg(long, value_name = "N", value_parser = values::count, conflicts_with_all = ["all", "follow"],
        value_hint = ValueHint::Other)]
    pub attempt: Option<u32>,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch why` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchWhyArgs {
    /// The task's id
    #[arg(value_name = "TASK", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub task: String,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch events` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchEventsArgs {
    /// Those of this task only
    #[arg(value_name = "TASK", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub task: Option<String>,
    /// Print the newest N only [default: all; with --follow 10]
    #[arg(short = 'n', long, value_name = "N", value_hint = ValueHint::Other)]
    pub lines: Option<usize>,
    /// Go on with what happens from now on; Ctrl-C ends it
    #[arg(short, long)]
    pub follow: bool,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch retry` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchRetryArgs {
    /// The tasks' ids
    #[arg(value_name = "TASK", value_parser = Text::new(), required_unless_present = "failed",
        conflicts_with = "failed", value_hint = ValueHint::Other)]
    pub tasks: Vec<String>,
    /// All tasks that failed
    #[arg(long)]
    pub failed: bool,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch cancel` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchCancelArgs {
    /// The tasks' ids
    #[arg(value_name = "TASK", value_parser = Text::new(), required_unless_present = "all",
        conflicts_with = "all", value_hint = ValueHint::Other)]
    pub tasks: Vec<String>,
    /// All tasks that have not ended
    #[arg(long)]
    pub all: bool,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch prio` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchPrioArgs {
    /// The task's id
    #[arg(value_name = "TASK", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub task: String,
    /// The new priority; higher goes first
    #[arg(value_name = "N", allow_negative_numbers = true, value_hint = ValueHint::Other)]
    pub priority: i64,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch add` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchAddArgs {
    /// The task file: TOML or JSON
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch pool` takes.
#[derive(Debug, Clone, Args)]
pub struct DispatchPoolArgs {
    /// What is to be done with agent pools.
    #[command(subcommand)]
    pub command: AgentPoolCommand,
}

/// The verbs of `dispatch pool`.
#[derive(Debug, Clone, Subcommand)]
pub enum AgentPoolCommand {
    /// List the agent pools of a run, with what runs in them
    List(AgentPoolListArgs),
    /// Let an agent pool take tasks again
    Enable(AgentPoolArgs),
    /// Let an agent pool take no new tasks; what runs goes on
    Disable(AgentPoolArgs),
    /// Change how many runners an agent pool has at most, until the run ends
    Set(AgentPoolSetArgs),
}

/// What `dispatch pool list` takes.
#[derive(Debug, Clone, Args)]
pub struct AgentPoolListArgs {
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch pool enable` and `disable` take.
#[derive(Debug, Clone, Args)]
pub struct AgentPoolArgs {
    /// The agent pool
    #[arg(value_name = "NAME", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub name: String,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// What `dispatch pool set` takes.
#[derive(Debug, Clone, Args)]
pub struct AgentPoolSetArgs {
    /// The agent pool
    #[arg(value_name = "NAME", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub name: String,
    /// How many runners it has at most
    #[arg(long, value_name = "N", value_parser = values::count, value_hint = ValueHint::Other)]
    pub max: u32,
    /// Which run is meant.
    #[command(flatten)]
    pub run: RunName,
}

/// The scheduling policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyWord {
    /// The order of becoming ready
    Fifo,
    /// High priority first
    Priority,
    /// By the mapping of skills first, then the best fit
    SkillBased,
    /// The group with the least use over its weight first
    FairShare,
}
