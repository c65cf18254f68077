//! What each verb takes, one struct per verb.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as Text;
use clap::{Args, Subcommand, ValueHint};

use super::values::{self, FindingKind, MetricsFormat, ScriptShell, Strategy};

/// What `init` takes.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The directory to make a workspace of
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// What `create` takes.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// The name of the new pool
    #[arg(value_name = "NAME", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub name: String,
    /// The repository: a URL, an scp-like address or a path
    #[arg(value_name = "URL", value_parser = Text::new(), value_hint = ValueHint::AnyPath)]
    pub url: String,
    /// How many slots to make [default: num_slots of the settings]
    #[arg(short = 'n', long, value_name = "N", value_parser = values::count, value_hint = ValueHint::Other)]
    pub slots: Option<u32>,
    /// Slots are worktrees of one repository, or full clones while they are in use [default: worktree]
    #[arg(long, value_name = "STRATEGY", value_enum)]
    pub strategy: Option<Strategy>,
    /// The branch that slots are brought to [default: the remote's HEAD, followed when it changes]
    #[arg(long, value_name = "BRANCH", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub base: Option<String>,
    /// Leave ignored paths that match this when slots are cleaned, like the key keep; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub keep: Vec<String>,
    /// Leave contents of files with the remote until they are needed: blob:none, or blob:limit=SIZE
    #[arg(long, value_name = "SPEC", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub filter: Option<String>,
    /// Fetch so many commits of each branch and leave out what was before them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_hint = ValueHint::Other)]
    pub depth: Option<u32>,
}

/// What `allocate` takes.
#[derive(Debug, Clone, Args)]
pub struct AllocateArgs {
    /// A pool's name, the path of a repository, or a URL
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub pool: String,
    /// Print lines that set the slot's variables, for `eval`, instead of the path [default SHELL: sh]
    #[arg(long, value_name = "SHELL", num_args = 0..=1, require_equals = true, default_missing_value = "sh")]
    pub export: Option<ScriptShell>,
    /// Which slot is wanted and what is recorded about it.
    #[command(flatten)]
    pub options: AllocateOptions,
}

/// What `allocate` and `exec` share: which slot is wanted and what is recorded about it.
#[derive(Debug, Clone, Default, Args)]
pub struct AllocateOptions {
    /// Bring the slot to this branch, tag, other ref of the remote, or commit
    #[arg(long = "ref", value_name = "REF", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub reference: Option<String>,
    /// Put the slot on this branch: an existing one at its tip, else a new one at the base
    #[arg(long, value_name = "NAME", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub branch: Option<String>,
    /// Attach a piece of metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::key_value, value_hint = ValueHint::Other)]
    pub meta: Vec<(String, String)>,
    /// Attach the members of a JSON object as metadata
    #[arg(long, value_name = "JSON", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub meta_json: Option<String>,
    /// Record this label as the holder of the slot
    #[arg(long, value_name = "LABEL", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub owner: Option<String>,
    /// Tie the slot to this process: once it has ended, the slot may be taken back
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)), value_hint = ValueHint::Other)]
    pub owner_pid: Option<u32>,
    /// Hold the slot for this long unless renewed: then it may be taken back if no process is inside
    #[arg(long, value_name = "DURATION", value_parser = values::some_time, value_hint = ValueHint::Other)]
    pub ttl: Option<Duration>,
    /// Do not fetch; use what the last fetch brought
    #[arg(long, conflicts_with = "fetch_max_age")]
    pub no_fetch: bool,
    /// Do not fetch if the last fetch is at most this old
    #[arg(long, value_name = "DURATION", value_parser = values::duration, value_hint = ValueHint::Other)]
    pub fetch_max_age: Option<Duration>,
    /// Add a slot if none is free, up to the pool's max_slots
    #[arg(long)]
    pub grow: bool,
    /// Wait for this long if no slot is free, in line behind those who wait already
    #[arg(long, value_name = "DURATION", value_parser = values::duration, value_hint = ValueHint::Other)]
    pub wait: Option<Duration>,
    /// Name what the slot is for: while it is held, the same key gets the same slot
    #[arg(long, value_name = "KEY", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub key: Option<String>,
}

/// What `release` takes.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// The slots: ids, POOL/slotN, or paths in them [default: the current one]
    #[arg(value_name = "SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub slots: Vec<String>,
    /// Release the slot that is held under this key
    #[arg(long, value_name = "KEY", value_parser = Text::new(), conflicts_with = "slots", value_hint = ValueHint::Other)]
    pub key: Option<String>,
    /// Release only if this is still the slot's allocation
    #[arg(long, value_name = "ID", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub allocation: Option<String>,
    /// Leave the cleaning to the next allocate
    #[arg(long, conflicts_with = "discard")]
    pub no_cleanup: bool,
    /// Return at once, and let a process of its own clean; what keeps it from that is shown by status
    #[arg(long, conflicts_with = "no_cleanup")]
    pub background: bool,
    /// Give up commits and changes that are nowhere else, instead of saving them
    #[arg(long)]
    pub discard: bool,
    /// End the processes that are inside the slot
    #[arg(long)]
    pub kill: bool,
    /// Release a slot whose owner is alive, for operators; recorded in the log
    #[arg(long)]
    pub force: bool,
}

/// What `renew` takes.
#[derive(Debug, Clone, Args)]
pub struct RenewArgs {
    /// The slot: its id, POOL/slotN, or a path in it [default: the current one]
    #[arg(value_name = "SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub slot: Option<String>,
    /// How long the lease runs from now on [default: as long as it was given or renewed for]
    #[arg(long, value_name = "DURATION", value_parser = values::some_time, value_hint = ValueHint::Other)]
    pub ttl: Option<Duration>,
    /// Renew only if this is still the slot's allocation
    #[arg(long, value_name = "ID", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub allocation: Option<String>,
}

/// What `exec` takes.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// A pool's name, the path of a repository, or a URL
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub pool: String,
    /// Which slot is wanted and what is recorded about it.
    #[command(flatten)]
    pub options: AllocateOptions,
    /// The command and its arguments [default: $SHELL]
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// What `collect` takes.
#[derive(Debug, Clone, Args)]
pub struct CollectArgs {
    /// The slot: its id, POOL/slotN, or a path in it [default: the current one]
    #[arg(value_name = "SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub slot: Option<String>,
    /// The repository to bring the branches into [default: the current directory's]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub into: Option<PathBuf>,
}

/// What `rescue` takes.
#[derive(Debug, Clone, Args)]
pub struct RescueArgs {
    /// What to do with saved work.
    #[command(subcommand)]
    pub command: RescueCommand,
}

/// The verbs of `rescue`.
#[derive(Debug, Clone, Subcommand)]
pub enum RescueCommand {
    /// List saved work, oldest first
    List(RescueListArgs),
    /// Show what was saved: commits, paths, and the command that shows all of it
    Show(RescueShowArgs),
    /// Bring saved work back into a slot as it was, or as a branch; it stays saved
    Restore(RescueRestoreArgs),
    /// Give saved work up
    Drop(RescueDropArgs),
}

/// What `rescue list` takes.
#[derive(Debug, Clone, Args)]
pub struct RescueListArgs {
    /// The pool [default: all pools]
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub pool: Option<String>,
}

/// What `rescue show` takes.
#[derive(Debug, Clone, Args)]
pub struct RescueShowArgs {
    /// The saved work: an id as it is listed, or its beginning
    #[arg(value_name = "ID", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub id: String,
}

/// What `rescue restore` takes.
#[derive(Debug, Clone, Args)]
pub struct RescueRestoreArgs {
    /// The saved work: an id as it is listed, or its beginning
    #[arg(value_name = "ID", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub id: String,
    /// Bring it into this slot, which is yours and has no changes [default: the current one]
    #[arg(long, value_name = "SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub into: Option<String>,
    /// Make a branch of it in the pool's repository instead
    #[arg(long, value_name = "NAME", value_parser = Text::new(), conflicts_with = "into", value_hint = ValueHint::Other)]
    pub branch: Option<String>,
}

/// What `rescue drop` takes.
#[derive(Debug, Clone, Args)]
pub struct RescueDropArgs {
    /// The saved work: ids as they are listed, or their beginnings
    #[arg(value_name = "ID", required = true, value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub ids: Vec<String>,
}

/// What `add-slot` takes.
#[derive(Debug, Clone, Args)]
pub struct AddSlotArgs {
    /// The pool's name
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub pool: String,
    /// How many slots to add
    #[arg(short = 'n', value_name = "N", value_parser = values::count, default_value_t = 1, value_hint = ValueHint::Other)]
    pub count: u32,
}

/// What `remove-slot` takes.
#[derive(Debug, Clone, Args)]
pub struct RemoveSlotArgs {
    /// The slot: its id, POOL/slotN, or a path in it
    #[arg(value_name = "SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub slot: String,
    /// Remove the slot that is held by this allocation
    #[arg(long, value_name = "ID", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub allocation: Option<String>,
    /// Remove it even if it is allocated and its owner is alive, for operators; recorded in the log
    #[arg(long)]
    pub force: bool,
}

/// What `remove-pool` takes.
#[derive(Debug, Clone, Args)]
pub struct RemovePoolArgs {
    /// The pool's name
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub pool: String,
    /// Remove it even if slots are allocated or saved work is left
    #[arg(long)]
    pub force: bool,
}

/// What `metrics` takes.
#[derive(Debug, Clone, Args)]
pub struct MetricsArgs {
    /// A pool [default: all pools]
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub pool: Option<String>,
    /// The form of the metrics [default: prometheus, with --json json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<MetricsFormat>,
    /// Write them to FILE, which is replaced as a whole, and print nothing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// What `recover` takes.
#[derive(Debug, Clone, Args)]
pub struct RecoverArgs {
    /// A pool or a slot [default: everything]
    #[arg(value_name = "POOL|SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub target: Option<String>,
    /// Say what would be done and do nothing; exit with 1 if there is something
    #[arg(long)]
    pub dry_run: bool,
    /// Look for this kind of finding only; may be repeated
    #[arg(long, value_enum, value_name = "KIND")]
    pub only: Vec<FindingKind>,
    /// Report slots allocated for longer than this [default: stale_after of the settings]
    #[arg(long, value_name = "DURATION", value_parser = values::duration, value_hint = ValueHint::Other)]
    pub max_age: Option<Duration>,
    /// Release the slots that were allocated for too long, their work saved, unless their holder
    /// lives or a process is inside
    #[arg(long)]
    pub release_stale: bool,
    /// Rebuild a slot that does not verify, or the damaged repository of a pool; what can be read of
    /// the work is saved
    #[arg(long)]
    pub force: bool,
}

/// What `warm` takes.
#[derive(Debug, Clone, Args)]
pub struct WarmArgs {
    /// Pools or slots [default: the pools with warmup_enabled = true]
    #[arg(value_name = "POOL|SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub targets: Vec<String>,
    /// Do not fetch; use what the last fetch brought
    #[arg(long, conflicts_with = "fetch_max_age")]
    pub no_fetch: bool,
    /// Do not fetch if the last fetch is at most this old
    #[arg(long, value_name = "DURATION", value_parser = values::duration, value_hint = ValueHint::Other)]
    pub fetch_max_age: Option<Duration>,
}

/// What `isolate` takes.
#[derive(Debug, Clone, Args)]
pub struct IsolateArgs {
    /// The slot: its id, POOL/slotN, or a path in it
    #[arg(value_name = "SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub slot: String,
    /// Why, as it is shown by status
    #[arg(long, value_name = "TEXT", value_parser = Text::new(), value_hint = ValueHint::Other)]
    pub reason: Option<String>,
}

/// What `branches` takes.
#[derive(Debug, Clone, Args)]
pub struct BranchesArgs {
    /// The pool's name
    #[arg(value_name = "POOL", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub pool: String,
}

/// What `apply` takes.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// Say what would change and change nothing; exit with 1 if something would
    #[arg(long, conflicts_with = "watch")]
    pub dry_run: bool,
    /// Remove idle slots beyond num_slots, and pools that were declared once and are no more
    #[arg(long)]
    pub prune: bool,
    /// Stay, and apply the file at each of its changes; look for them this often [default: 2s]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = values::some_time, value_hint = ValueHint::Other)]
    pub watch: Option<Duration>,
}

/// What `config` takes.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// What to do with the settings.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The verbs of `config`.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective settings and where each comes from
    Show(ShowArgs),
    /// Check pools.toml and name every problem with file, line and key
    Check,
    /// Print the path of the settings file
    Path,
    /// Make a pools.toml from the original's YAML file, or from a workspace of the original
    ///
    /// Prints it, or writes it with --output. What has no place here is named on stderr; slots and
    /// what is in them stay where they are.
    Import(ImportArgs),
}

/// What `config import` takes.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The YAML file, or the directory with the original's pools
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub source: PathBuf,
    /// Write it to FILE [without FILE: the settings file of the workspace]
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath)]
    pub output: Option<Option<PathBuf>>,
    /// Replace a file that is there already
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// What `config show` takes.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Print them as a pools.toml
    #[arg(long)]
    pub toml: bool,
}

/// What `man` takes.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// The directory to write the pages to
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
