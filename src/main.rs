//! Parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    repo_pool::commands::main()
}
