//! `completions`: the script that teaches a shell this program's command line.
//!
//! [`generate`] only makes the bytes, so that a test can hold the committed files against them.

use super::session::Session;
use crate::cli::{self, CompletionsArgs, Shell};
use crate::domain::Result;
use crate::report::output::unless_closed;

/// Prints the script.
pub fn run(session: &Session, args: &CompletionsArgs) -> Result<u8> {
    unless_closed(session.output.data(generate(args.shell)))?;
    Ok(0)
}

/// The completion script for `shell`.
#[must_use]
pub fn generate(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), cli::PROGRAM, &mut script);
    match shell {
        Shell::Bash => with_reachable_verbs(script),
        _ => script,
    }
}

/// The bash script tracks the verb in a variable and then looks its options up by that value.
/// clap_complete 4.6.11 spells a hyphen in the program's name in two ways there
/// (clap-rs/clap#6421), so that no verb is ever found; this makes them one.
fn with_reachable_verbs(script: Vec<u8>) -> Vec<u8> {
    const SEPARATOR: &str = "__subcmd__";
    let looked_up = cli::PROGRAM.replace('-', SEPARATOR) + SEPARATOR;
    let tracked = cli::PROGRAM.replace('-', "__") + SEPARATOR;
    match String::from_utf8(script) {
        Ok(script) => script.replace(&looked_up, &tracked).into_bytes(),
        Err(unchanged) => unchanged.into_bytes(),
    }
}
