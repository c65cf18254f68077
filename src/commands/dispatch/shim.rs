//! `dispatch-shim`: the process that runs one attempt's command and watches it. No verb: the
//! dispatcher starts it.

use std::ffi::OsString;
use std::process::ExitCode;

/// The word by which it is started.
const WORD: &str = "dispatch-shim";

/// Whether this command line is that of a shim.
pub fn is_one(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|word| word == WORD)
}

/// Does what the command line says.
pub fn run(_args: &[OsString]) -> ExitCode {
    ExitCode::FAILURE
}
