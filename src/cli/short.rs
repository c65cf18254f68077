//! The part of the grammar that a right command line needs: the global options and its own verb.
//!
//! Laying out the whole grammar takes longer than many a command's work. Whatever this part does not
//! understand goes to the whole, which then says what is wrong, or gives help.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, Command, FromArgMatches, Subcommand};

use super::{Cli, Global, PROGRAM, Verb};

/// What a command line means; `None` if the whole grammar has to be asked.
pub(super) fn parse(args: &[OsString]) -> Option<Result<Cli, clap::Error>> {
    let mut command = Global::augment_args(Command::new(PROGRAM))
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_help_subcommand(true);
    if let Some(verb) = verb(args) {
        command = command.subcommand(verb);
    }
    let parsed = command
        .try_get_matches_from_mut(args)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match parsed {
        Ok(cli) => Some(Ok(cli)),
        Err(error) if error.kind() == ErrorKind::DisplayVersion => Some(Err(error)),
        Err(_) => None,
    }
}

/// The first argument that is called as a verb is. If it is none but an option's value, the verb is
/// missing, and this part of the grammar does not do.
fn verb(args: &[OsString]) -> Option<Command> {
    let words = || args.iter().skip(1).filter_map(|arg| arg.to_str());
    words().find(|word| !word.starts_with('-'))?;
    let verbs = Verb::augment_subcommands(Command::new(PROGRAM));
    words()
        .find_map(|word| verbs.find_subcommand(word))
        .cloned()
}
