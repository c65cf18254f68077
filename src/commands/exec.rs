//! `exec`: run a command in a slot and give the slot back, whatever happens.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::allocate::{self, Asked};
use super::release;
use super::session::Session;
use crate::cli::ExecArgs;
use crate::domain::slot::SlotRecord;
use crate::domain::{Error, Result};
use crate::git;
use crate::pool::acquire;
use crate::pool::hand_out::{self, Allocated};
use crate::pool::release::Request;
use crate::pool::{Pool, find};
use crate::report::Failure;
use crate::sys::process::{ForegroundEnd, run_foreground};
use crate::sys::{descendants, liveness, signals};

/// How long what the command has left running may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// The command can't be run.
const CAN_NOT_RUN: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;

/// Allocates, runs, releases; a slot that was held under its key before stays held. The exit code is the command's own.
pub fn run(session: &Session, args: &ExecArgs) -> Result<u8> {
    let asked = Asked::new(&args.options)?;
    let context = session.context_or_new(asked.flags(session))?;
    let found = find::pool_or_create(&context, &args.pool)?;
    let caller = liveness::stamp(std::process::id());
    let request = asked.request(&found, caller, true)?;
    descendants::adopt();
    let allocated = acquire::allocate(&found.pool, &request)?;
    allocate::say(session, &allocated);
    let environment = match allocate::variables(&found.pool, &allocated) {
        Ok(variables) => surroundings(variables, allocated.path.as_os_str()),
        Err(error) => {
            if !allocated.joined {
                let why = "its environment could not be made";
                hand_out::take_back(&found.pool, &allocated, why)?;
            }
            return Err(error);
        }
    };
    let code = match signals::received() {
        Some(signal) => Ok(128u8.saturating_add(signal as u8)),
        None => command(session, &allocated, &args.command, &environment),
    };
    end_leftovers(session);
    if !allocated.joined {
        give_back(session, &found.pool, &allocated);
    }
    code
}

/// Names and what becomes of them: a value, or nothing.
type Changes = Vec<(OsString, Option<OsString>)>;

/// What the command finds otherwise than this process did.
fn surroundings(variables: Vec<(OsString, OsString)>, path: &OsStr) -> Changes {
    let set = variables.into_iter().chain([("PWD".into(), path.into())]);
    let set = set.map(|(name, value)| (name, Some(value)));
    let unset = git::ELSEWHERE.map(|name| (name.into(), None));
    set.chain(unset).collect()
}

fn command(
    session: &Session,
    allocated: &Allocated,
    words: &[OsString],
    environment: &Changes,
) -> Result<u8> {
    let shell = session
        .environment
        .shell()
        .unwrap_or_else(|| "/bin/sh".into());
    let (program, args) = match words.split_first() {
        Some((program, args)) => (program, args),
        None => (&shell, &[][..]),
    };
    match run_foreground(program, args, &allocated.path, environment) {
        Ok(ForegroundEnd::Exited(code)) => Ok(code as u8),
        Ok(ForegroundEnd::Signaled(signal)) => Ok(128u8.saturating_add(signal as u8)),
        Err(error) => {
            let code = match error.kind() {
                std::io::ErrorKind::NotFound => NOT_FOUND,
                // A directory on the PATH that can't be entered is no reason to say 126.
                _ if which::which(program).is_err() && !program.to_string_lossy().contains('/') => {
                    NOT_FOUND
                }
                _ => CAN_NOT_RUN,
            };
            session.output.error(&Failure::from(Error::failed(format!(
                "cannot run {}: {error}",
                program.to_string_lossy()
            ))));
            Ok(code)
        }
    }
}

/// Ends what the command left running.
fn end_leftovers(session: &Session) {
    descendants::end(GRACE, &mut |left| {
        session.output.note(&format!(
            "the command has left running what is being ended now: {}",
            left.join(", ")
        ));
    });
    // What came meanwhile was for what is ended now.
    signals::acknowledge();
}

/// Releases the slot. A release that fails is said, and never replaces the command's exit code.
fn give_back(session: &Session, pool: &Pool<'_>, allocated: &Allocated) {
    let _shield = signals::shield();
    let request = Request {
        allocation: allocated
            .slot
            .allocation
            .as_ref()
            .map(|allocation| allocation.id.clone()),
        no_cleanup: !pool.settings.clean_on_release,
        background: pool.settings.background_cleanup,
        lasting: true,
        ..Request::default()
    };
    match crate::pool::release::release(pool, allocated.slot.number, &request) {
        Ok(returned) => {
            release::tell_of_rescue(session, returned.rescue.as_ref());
            if let Some(reason) = returned.slot.waits_for() {
                session.output.warn(&waiting(pool, &returned.slot, reason));
            }
        }
        Err(error) => session.output.error(&Failure::from(error)),
    }
}

fn waiting(pool: &Pool<'_>, slot: &SlotRecord, reason: &str) -> String {
    let id = pool.slot_id(slot.number);
    format!(
        "slot {id} is not back yet: {reason}. Once it has left, the next command finishes that; \
         `repo-pool release {id} --kill` ends it"
    )
}
