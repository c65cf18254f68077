//! `exec`: run a command in a slot and give the slot back, whatever happens.

use std::ffi::OsString;

use super::allocate::{self, Asked};
use super::release;
use super::session::Session;
use crate::cli::ExecArgs;
use crate::domain::{Error, Result};
use crate::pool::acquire;
use crate::pool::hand_out::Allocated;
use crate::pool::release::Request;
use crate::pool::{Pool, find};
use crate::report::Failure;
use crate::sys::process::{ForegroundEnd, run_foreground};
use crate::sys::{inside, liveness, signals};

/// The command can't be run.
const CAN_NOT_RUN: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;

/// How long what the command left running may take to end.
const LEFTOVERS_MAY_TAKE: std::time::Duration = std::time::Duration::from_secs(10);

/// Allocates, runs, releases; a slot that was held under its key before stays held. The exit code is the command's own.
pub fn run(session: &Session, args: &ExecArgs) -> Result<u8> {
    let asked = Asked::new(&args.options)?;
    let context = session.context_or_new(asked.flags(session))?;
    let found = find::pool_or_create(&context, &args.pool)?;
    let caller = liveness::stamp(std::process::id());
    let request = asked.request(&found, caller, true)?;
    inside::adopt_orphans();
    let allocated = acquire::allocate(&found.pool, &request)?;
    allocate::say(session, &allocated);
    let code = match signals::received() {
        Some(signal) => Ok(128u8.saturating_add(signal as u8)),
        None => command(session, &found.pool, &allocated, &args.command),
    };
    let _shield = signals::shield();
    if allocated.joined {
        inside::end_descendants(LEFTOVERS_MAY_TAKE);
        return code;
    }
    give_back(session, &found.pool, &allocated);
    code
}

fn command(
    session: &Session,
    pool: &Pool<'_>,
    allocated: &Allocated,
    words: &[OsString],
) -> Result<u8> {
    let shell = session
        .environment
        .shell()
        .unwrap_or_else(|| "/bin/sh".into());
    let (program, args) = match words.split_first() {
        Some((program, args)) => (program, args),
        None => (&shell, &[][..]),
    };
    let ended = run_foreground(program, args, &allocated.path, &variables(pool, allocated));
    match ended {
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

/// What the command finds in its environment.
fn variables(pool: &Pool<'_>, allocated: &Allocated) -> Vec<(OsString, Option<OsString>)> {
    let allocation = allocated.slot.allocation.as_ref();
    [
        (
            "REPO_POOL_SLOT",
            pool.slot_id(allocated.slot.number).to_string().into(),
        ),
        (
            "REPO_POOL_SLOT_PATH",
            allocated.path.clone().into_os_string(),
        ),
        ("REPO_POOL_POOL", pool.name.to_string().into()),
        (
            "REPO_POOL_ALLOCATION",
            allocation
                .map(|allocation| allocation.id.clone())
                .unwrap_or_default()
                .into(),
        ),
        (
            "REPO_POOL_WORKSPACE",
            pool.workspace.root().as_os_str().to_owned(),
        ),
    ]
    .into_iter()
    .map(|(key, value): (&str, OsString)| (key.into(), Some(value)))
    .collect()
}

/// Ends what the command left running, and releases. A release that fails is said, and never
/// replaces the command's exit code.
fn give_back(session: &Session, pool: &Pool<'_>, allocated: &Allocated) {
    inside::end_descendants(LEFTOVERS_MAY_TAKE);
    let request = Request {
        allocation: allocated
            .slot
            .allocation
            .as_ref()
            .map(|allocation| allocation.id.clone()),
        no_cleanup: !pool.settings.clean_on_release,
        background: pool.settings.background_cleanup,
        ..Request::default()
    };
    match crate::pool::release::release(pool, allocated.slot.number, &request) {
        Ok(returned) => release::tell_of_rescue(session, returned.rescue.as_ref()),
        Err(error) => session.output.error(&Failure::from(error)),
    }
}
