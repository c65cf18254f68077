//! The processes that go on after the command that started them: they have no verb, and nobody reads
//! what they say.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use super::session::Session;
use crate::cli::Global;
use crate::config::Environment;
use crate::dispatch::docker::owner;
use crate::dispatch::driven::drive;
use crate::dispatch::local::{order, shim};
use crate::domain::{Error, Result};
use crate::pool::background::{self, Rest};
use crate::pool::trash::{self, Deletion};
use crate::report::{Options, Output};
use crate::sys::{detached, signals};

/// Whether this command line is that of such a process.
pub fn is_one(args: &[OsString]) -> bool {
    let word = args.get(1).map(OsString::as_os_str);
    trash::is_deletion(word)
        || background::is_finishing(word)
        || order::is_shim(word)
        || drive::is_driver(word)
        || owner::is_owner(word)
}

/// Does what the command line says.
pub fn run(args: &[OsString]) -> ExitCode {
    detached::begin();
    let words = args.get(2..).unwrap_or_default();
    if order::is_shim(args.get(1).map(OsString::as_os_str)) {
        return ExitCode::from(shim::run(words));
    }
    let word = args.get(1).map(OsString::as_os_str);
    let done = match word {
        _ if drive::is_driver(word) => Some(drive::run(words)),
        _ if owner::is_owner(word) => Some(owner::run(words)),
        _ => None,
    };
    if let Some(done) = done {
        return match done {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
    }
    let deletes = trash::is_deletion(args.get(1).map(OsString::as_os_str));
    let result = match deletes {
        true => Deletion::from_args(words).and_then(|deletion| deletion.carry_out()),
        false => finish_release(words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn finish_release(words: &[OsString]) -> Result<()> {
    let Some(rest) = Rest::from_args(words)? else {
        return Ok(());
    };
    // What can't be watched ends this process at once, and the next command goes on.
    let _ = signals::install(&signals::usual());
    let output = Arc::new(Output::new(Options::default()));
    let global = Global {
        workspace: Some(rest.workspace.clone()),
        config: rest.config.clone(),
        ..Global::default()
    };
    let session = Session::new(output, Environment::from_process(), global);
    let context = session.context(session.flags())?;
    let mut context = context.ok_or_else(|| Error::PoolNotFound(rest.pool.to_string()))?;
    context.alone = true;
    let mut pool = context.pool(&rest.pool);
    rest.carry_out(&mut pool)
}
