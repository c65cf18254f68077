//! Running a command of `pools.toml` in a slot: by `sh`, within a time, with nothing left behind.
//!
//! Everything that such a command starts has a variable that names the slot, by which it is found
//! again: when the command has ended, and when the one that ran it was killed.

use std::path::PathBuf;
use std::time::Duration;

use super::{Pool, variables};
use crate::config::parse::format_duration;
use crate::domain::lease::Allocation;
use crate::domain::{Error, Result};
use crate::sys::clock::Deadline;
use crate::sys::process::{Command, Ended, Finished, Limits};
use crate::sys::transcript::{self, Transcript};
use crate::sys::{fs, heirs};

/// The variable, whose value is the slot's path.
const MARK: &str = "REPO_POOL_COMMAND_IN";

/// How long what is told to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// How many of its last lines a message has.
const LINES: usize = 10;

/// A command to be run.
pub struct Script<'a> {
    /// The key that it stands under.
    pub name: &'static str,
    /// What `sh` is to run.
    pub command: &'a str,
    /// How long that may take.
    pub limit: Duration,
    /// The key that says so.
    pub limited_by: &'static str,
    /// The allocation in which it is run.
    pub allocation: Option<&'a Allocation>,
}

/// Runs it in the slot, which is where its users find it. What it prints is kept in a file. If it
/// failed, the reason is given back, with the name of that file and, indented, its last words.
pub fn run(pool: &Pool<'_>, number: u32, script: &Script<'_>) -> Result<Option<String>> {
    let path = place(pool, number)?;
    let output = pool.paths.output(number, script.name);
    fs::create_private_dir_all(&pool.paths.furnishings())?;
    let mut transcript = Transcript::begin(&output)?;
    let mut take = |bytes: &[u8]| transcript.take(bytes);
    let allocation = script.allocation.map(|allocation| allocation.id.as_str());
    let environment = variables::of(pool, number, &path, allocation)?;
    let mut command = Command::new("sh");
    command
        // Both of its outputs in one, in their order.
        .args(["-c", &format!("exec 2>&1\n{}", script.command)])
        .without_variables("GIT_")
        .without_variables("REPO_POOL_ALLOCATION")
        .envs(environment)
        .env(MARK, &path)
        .current_dir(&path)
        .limits(Limits {
            deadline: Some(Deadline::after(script.limit)),
            silence: None,
            grace: GRACE,
        })
        .leaving_nothing()
        .on_stdout(&mut take);
    let finished = command.run();
    drop(command);
    end_leftovers(pool, number);
    let words = transcript.finish();
    let finished = finished.map_err(|e| Error::io("run", &path, e))?;
    let Some(why) = failure(&finished, script)? else {
        return Ok(None);
    };
    let mut reason = format!("{why}; its output is in {}", output.display());
    for line in transcript::last_lines(&words, LINES) {
        reason.push_str("\n  ");
        reason.push_str(line);
    }
    Ok(Some(reason))
}

/// Why it did not do its work, if it did not.
fn failure(finished: &Finished, script: &Script<'_>) -> Result<Option<String>> {
    match (finished.ended, finished.status.code()) {
        (Some(Ended::Signal(signal)), _) => Err(Error::Interrupted(signal)),
        (Some(_), _) => Ok(Some(format!(
            "it was ended after {} ({})",
            format_duration(script.limit),
            script.limited_by
        ))),
        (None, Some(0)) => Ok(None),
        (None, Some(code)) => Ok(Some(format!("exit code {code}"))),
        (None, None) => Ok(Some("a signal has ended it".into())),
    }
}

/// Ends what a command has left running that was run in the slot. For who has the slot's lock: then
/// nobody is running one. Tells how many processes there were.
pub fn end_leftovers(pool: &Pool<'_>, number: u32) -> usize {
    place(pool, number).map_or(0, |place| heirs::end(MARK, &place, GRACE))
}

/// The same for all slots of a pool that is given up.
pub fn end_all(pool: &Pool<'_>) {
    if let Ok(place) = std::path::absolute(pool.paths.worktrees()) {
        heirs::end(MARK, &place, GRACE);
    }
}

/// Where the slot's users find it, whatever the directory that this process is in.
fn place(pool: &Pool<'_>, number: u32) -> Result<PathBuf> {
    let path = pool.paths.slot(number);
    std::path::absolute(&path).map_err(|e| Error::io("find", path, e))
}
