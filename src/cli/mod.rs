//! The command line's grammar: verbs, options, values and help texts.
//!
//! Owns what a command line may look like and turns it into plain values. It knows nothing of the
//! crate: what a pool or a slot is, which defaults apply and what the environment says is decided
//! elsewhere.

mod args;
mod dispatch;
mod help;
mod hook;
mod original;
mod short;
mod topics;
mod values;
mod view_args;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

pub use args::{
    AddSlotArgs, AllocateArgs, AllocateOptions, ApplyArgs, BranchesArgs, CollectArgs, ConfigArgs,
    ConfigCommand, CreateArgs, ExecArgs, ImportArgs, InitArgs, IsolateArgs, ManArgs, MetricsArgs,
    RecoverArgs, ReleaseArgs, RemovePoolArgs, RemoveSlotArgs, RenewArgs, RescueArgs, RescueCommand,
    RescueDropArgs, RescueListArgs, RescueRestoreArgs, RescueShowArgs, ShowArgs, WarmArgs,
};
pub use clap_complete::Shell;
pub use dispatch::{
    AgentPoolArgs, AgentPoolCommand, AgentPoolListArgs, AgentPoolSetArgs, DispatchAddArgs,
    DispatchArgs, DispatchCancelArgs, DispatchCheckArgs, DispatchCommand, DispatchEventsArgs,
    DispatchGraphArgs, DispatchLogArgs, DispatchPoolArgs, DispatchPrioArgs, DispatchRetryArgs,
    DispatchRunArgs, DispatchStatusArgs, DispatchWhyArgs, PolicyWord, RunName, TaskDefaults,
};
pub use hook::{ClaudeCodeArgs, ClaudeCodeCommand, HookArgs, HookCommand, InstallToolArgs, Tool};
pub use original::ORIGINAL;
pub use topics::{ENVIRONMENT, EXIT_CODES, FILES, GROUPS, Group, Row, Topic, WORKSPACE, topic};
pub use values::{ColorWhen, FindingKind, MetricsFormat, ScriptShell, Strategy};
pub use view_args::{CompletionsArgs, LogArgs, ShellInitArgs, StatusArgs};

/// The name of the program, as it is typed and as its pages are called.
pub const PROGRAM: &str = "repo-pool";

/// A parsed command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = PROGRAM,
    bin_name = PROGRAM,
    version,
    about = "Hands out ready git checkouts from a pool, and takes them back",
    long_about = "Hands out ready git checkouts from a pool, and takes them back.\n\n\
        A pool keeps a number of slots, each a checkout of one repository. A script, a CI job or \
        an agent asks for a slot, gets the path of a clean checkout at the newest commit, works \
        in it and gives it back. Work that was not pushed is saved before a slot is cleaned.",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// The options every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What is to be done.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The options every verb takes, before or after its name.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Use the workspace in DIR
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub workspace: Option<PathBuf>,
    /// Read the settings from FILE instead of the workspace's pools.toml
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Print one JSON document instead of text; errors are JSON too, on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing on stderr but warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say what is done; twice: every git command with its time
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Wait for a busy lock at most this long ("30s", "2m", or plain seconds)
    #[arg(long, global = true, value_name = "DURATION", value_parser = values::duration, value_hint = ValueHint::Other)]
    pub lock_timeout: Option<Duration>,
    /// Do at most N things at once; 0 is one per core
    #[arg(long, global = true, value_name = "N", value_parser = values::jobs, value_hint = ValueHint::Other)]
    pub jobs: Option<u32>,
    /// Colour the output
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: ColorWhen,
}

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Make a workspace with a commented pools.toml
    ///
    /// Makes DIR (or the directory that would be used anyway) a workspace and writes a pools.toml
    /// in which every setting is explained. A second run changes nothing. Calling it is optional:
    /// what creates a pool makes the workspace when it is missing.
    ///
    /// Prints how to use the workspace from elsewhere.
    Init(InitArgs),
    /// Make a pool of a repository
    ///
    /// Clones the repository once and makes its slots, each with the repository's content at the
    /// base branch. A failed or interrupted creation leaves nothing behind.
    ///
    /// Prints the new pool and its slots.
    Create(CreateArgs),
    /// Hand out a slot and print its path
    ///
    /// Fetches, chooses a free slot, brings it clean to the newest base commit (or to what --ref
    /// or --branch name) and marks it as allocated. POOL is the name of a pool, the path of a
    /// repository ("." or one with a slash), or a URL; for the latter two the pool is made on
    /// first use.
    ///
    /// Prints one absolute path and nothing else.
    Allocate(AllocateArgs),
    /// Give slots back
    ///
    /// Saves commits that no remote branch holds and changes that no commit holds, cleans the
    /// slot and makes it available. Without SLOT: the one in $REPO_POOL_SLOT, else the slot of
    /// the current directory. Releasing an available slot changes nothing.
    ///
    /// Says on stderr what was saved; with --json prints what was cleaned, too.
    Release(ReleaseArgs),
    /// Extend the time for which a slot is held
    ///
    /// A slot that was allocated with --ttl may be taken back once that time is over, unless a
    /// process is inside. Renewing begins the time anew, from now. Without SLOT: the one in
    /// $REPO_POOL_SLOT, else the slot of the current directory.
    ///
    /// Prints nothing, or with --json the slot.
    Renew(RenewArgs),
    /// Run a command in a slot of its own
    ///
    /// Allocates a slot, runs CMD in it (without CMD: $SHELL) and releases the slot however CMD
    /// ends. Signals are forwarded to CMD's process group. What CMD leaves running is ended:
    /// SIGTERM, and SIGKILL after 10 s. If somebody else's process is in the slot then, the slot
    /// stays `cleaning` until that has left, and the next command finishes the release.
    ///
    /// CMD finds in its environment: REPO_POOL_SLOT, REPO_POOL_SLOT_PATH, REPO_POOL_POOL,
    /// REPO_POOL_ALLOCATION, REPO_POOL_WORKSPACE; REPO_POOL_INDEX, a small number that no other
    /// slot of the workspace has; REPO_POOL_PORT and REPO_POOL_PORT_COUNT, the first of its ports
    /// and how many there are; COMPOSE_PROJECT_NAME.
    ///
    /// The standard streams and the terminal are CMD's. The exit code is CMD's.
    Exec(ExecArgs),
    /// Run a queue of tasks, each in a slot of its own
    ///
    /// Reads tasks from files, runs each in a slot as soon as what it depends on is done, watches,
    /// retries, and records what happened. State is kept on disk: `dispatch run` with the same files
    /// goes on where an earlier one ended, however that ended.
    ///
    /// A task's command runs in its slot; 0 means done, 75 try later, 78 don't try again. It finds in
    /// its environment REPO_POOL_TASK_ID, REPO_POOL_TASK_FILE (the task as JSON), REPO_POOL_ATTEMPT,
    /// REPO_POOL_RESULT_FILE, REPO_POOL_ARTIFACTS_DIR, REPO_POOL_SLOT_PATH, REPO_POOL_BRANCH and
    /// more; see repo-pool-tasks(7). What it commits is kept on the branch.
    Dispatch(DispatchArgs),
    /// List saved work, bring it back, or give it up
    ///
    /// What was in a slot and nowhere else when the slot was cleaned (commits, staged and unstaged
    /// changes, untracked files) is saved in the pool's repository. An ID may be shortened as long
    /// as it means one piece of work only.
    Rescue(RescueArgs),
    /// Answer the hooks by which agent tools ask for a checkout
    ///
    /// A tool that starts agents calls a hook when it wants a worktree, and another when it is done
    /// with it: one JSON object on stdin, the path alone on stdout.
    Hook(HookArgs),
    /// Bring the branches made in a slot into your own repository
    ///
    /// Fetches the branches that were made or moved in SLOT into the repository DIR (default: the
    /// current directory's), where they can be merged. Without SLOT: the one in $REPO_POOL_SLOT,
    /// else the slot of the current directory.
    ///
    /// Prints the branches that were brought over.
    Collect(CollectArgs),
    /// Add slots to a pool
    ///
    /// The new slots are filled and ready when the command returns.
    ///
    /// Prints the new slots.
    AddSlot(AddSlotArgs),
    /// Remove a slot
    ///
    /// Deletes the slot's directory and its registration in git. An allocated slot is refused
    /// unless its holder presents the allocation or an operator uses --force; unlanded work is
    /// saved in any case.
    ///
    /// Prints what was removed.
    RemoveSlot(RemoveSlotArgs),
    /// Remove a pool with all its slots
    ///
    /// Refuses while a slot is allocated or saved work is left in the pool, unless --force is
    /// given. Saved work goes with the pool. What you have put into its folder files/ stays where it
    /// is, for another pool of that name or for you to delete.
    ///
    /// Prints what was removed.
    RemovePool(RemovePoolArgs),
    /// List the pools
    ///
    /// Prints the names of the pools, one a line.
    List,
    /// Show pools, the slots of a pool, or one slot
    ///
    /// Without a target: all pools with their totals. With a pool: its slots. With a slot: who has
    /// it, since when, what is in it, and what can be done with it.
    ///
    /// Prints tables, or with --json the same as one document. With --watch does so again and
    /// again, until Ctrl-C: a terminal is redrawn in place, anything else gets one after the other,
    /// with --json one document a line.
    Status(StatusArgs),
    /// Find what is wrong, say it and repair it
    ///
    /// Looks for unfinished operations, missing and damaged slots, dead owners, leases that ran
    /// out, slots allocated for too long, leftovers and strays; completes, undoes or rebuilds. A second run finds
    /// nothing. What cannot be repaired is taken out of use with the reason. With an isolated
    /// SLOT: brings it back once it verifies. Where `setup` failed, it is run again.
    ///
    /// Prints one line per finding with what was done.
    Recover(RecoverArgs),
    /// Take an idle slot out of use
    ///
    /// The slot keeps its content for inspection and is not handed out again until `repo-pool recover SLOT`
    /// brings it back.
    ///
    /// Prints the slot.
    Isolate(IsolateArgs),
    /// Make idle slots ready ahead of use
    ///
    /// Fetches, brings idle slots to the newest base, clean and verified, and runs their set-up where
    /// its inputs changed, so that the next allocate finds them ready. Work found in an idle slot is saved first. Slots that are
    /// allocated, or that a process is in, are left alone. Without arguments: all pools that have
    /// warmup_enabled = true in the settings; to be run from cron or a timer.
    ///
    /// Prints what was brought to the base, and what could not be.
    Warm(WarmArgs),
    /// List the remote branches of a pool
    ///
    /// Prints one branch a line with its commit, as of the pool's last fetch.
    Branches(BranchesArgs),
    /// Show the history of a pool or a slot
    ///
    /// Prints allocations, releases, cleanups and repairs, oldest first, one a line; with --json
    /// one document a line. With --follow goes on with what happens, until Ctrl-C or until nobody
    /// reads it any more.
    Log(LogArgs),
    /// Print the metrics of pools, for Prometheus or as JSON
    ///
    /// Allocations, fetches and cleanings: how often, how long, and how often in vain; slots by
    /// state; the age of the base. They are kept with the pool over its life, unless
    /// enable_metrics = false.
    ///
    /// Prints them in the text format of Prometheus. With --output writes them to a file for
    /// node_exporter's textfile collector, which never sees half of it.
    Metrics(MetricsArgs),
    /// Bring the pools to what pools.toml declares
    ///
    /// Makes declared pools that are missing and adds slots where more are declared. A pool that
    /// was never declared is not touched, and nothing is removed without --prune. A changed URL or
    /// strategy is refused, as is a file with a mistake: then nothing is done at all. One pool that
    /// fails stops none of the others.
    ///
    /// With --watch it stays in the foreground until a signal ends it. A wrong file is said once and
    /// changes nothing; what failed or was left is tried again at the next change.
    ///
    /// Prints a line per change: `+` made, `~` changed, `-` removed, `!` left as it is, and with
    /// -v `=` as it should be.
    Apply(ApplyArgs),
    /// Show, check or import the settings
    ///
    /// Settings come, in this order, from the command line, the environment, the pool's table in
    /// pools.toml, its table of defaults, and what is built in.
    Config(ConfigArgs),
    /// Print the completion script of a shell
    ///
    /// Prints the script on stdout, to be sourced or put where the shell looks for it. In bash, zsh
    /// and fish it asks the program for what there is: verbs and options, pools, slots, saved work.
    Completions(CompletionsArgs),
    /// Print a shell function that takes a slot and goes there
    ///
    /// `rp POOL` allocates a slot, which the shell holds for as long as it lives, and goes there;
    /// options of `allocate` may follow. `rp -` goes back to where one was and releases the slot;
    /// options of `release` may follow. If the slot can't be given back, one stays in it. `rp` alone
    /// shows the pools. The exit codes are those of the commands.
    ///
    /// Prints the function on stdout, to be evaluated where the shell starts.
    ShellInit(ShellInitArgs),
    /// Print or write the manual pages
    ///
    /// Without DIR prints the page repo-pool(1). With DIR writes all pages below it, to DIR/man1,
    /// DIR/man5 and DIR/man7: one per command, the settings, and what can go wrong.
    ///
    /// The pages are roff source; `man -l FILE` shows one.
    Man(ManArgs),
}

/// Parses a command line, the program's name first.
///
/// # Errors
/// What clap has to say, which includes the texts of `--help` and `--version`: its `exit_code`
/// is 2 for wrong usage and 0 for those.
pub fn parse_from<I, T>(args: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    short::parse(&args).unwrap_or_else(|| parse_by_the_whole(args))
}

fn parse_by_the_whole(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    command
        .try_get_matches_from_mut(&args)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches))
        .map_err(|error| help::with_tip(error, &args).format(&mut command))
}

/// Whether `--json` stands among the arguments before `--`: a command line that cannot be parsed
/// still says by it in which form its error is wanted.
pub fn wants_json<I, T>(args: I) -> bool
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    args.into_iter()
        .map(Into::into)
        .take_while(|arg: &OsString| arg != "--")
        .any(|arg| arg == "--json")
}

/// Whether a command line, which cannot be parsed, is one of `exec`: its exit code tells then of
/// this program's failure, and not of the command's.
pub fn is_exec(args: &[OsString]) -> bool {
    // What follows these is their value.
    let takes_value = [
        "--workspace",
        "--config",
        "--lock-timeout",
        "--jobs",
        "--color",
    ];
    let mut words = args.iter().skip(1);
    while let Some(word) = words.next() {
        let word = word.to_string_lossy();
        if takes_value.contains(&word.as_ref()) {
            words.next();
        } else if !word.starts_with('-') {
            return word == "exec";
        }
    }
    false
}

/// The whole grammar, with the help texts in place.
#[must_use]
pub fn command() -> clap::Command {
    help::attach(Cli::command())
}

#[cfg(test)]
mod tests;
