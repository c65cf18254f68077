//! `shell-init`: a shell function that takes a slot and goes there, and gives it back.
//!
//! Only the shell itself can change its directory, and only it lives as long as one works in the slot:
//! it is the slot's owner.

use super::completions::Target;
use super::session::Session;
use crate::cli::{ScriptShell, ShellInitArgs};
use crate::domain::Result;
use crate::report::output::unless_closed;

const SH: &str = include_str!("shell/init.sh");
const FISH: &str = include_str!("shell/init.fish");

/// Prints the function.
pub fn run(session: &Session, args: &ShellInitArgs) -> Result<u8> {
    unless_closed(session.output.data(generate(args.shell, &args.name)))?;
    Ok(0)
}

/// The function called `name`, and what completes its arguments.
#[must_use]
pub fn generate(shell: ScriptShell, name: &str) -> String {
    let target = Target::Allocating(name);
    let (script, completion) = match shell {
        ScriptShell::Bash => (in_sh("builtin cd", "", name), target.bash()),
        ScriptShell::Zsh => (in_sh("builtin cd", "typeset -g ", name), target.zsh()),
        ScriptShell::Sh => (in_sh("command cd", "", name), String::new()),
        ScriptShell::Fish => (FISH.replace("{NAME}", name), target.fish()),
    };
    match completion.is_empty() {
        true => script,
        false => format!("{script}\n{completion}"),
    }
}

/// `cd` goes there whatever function of that name there is; `global` makes a variable that outlives
/// the function it is set in.
fn in_sh(cd: &str, global: &str, name: &str) -> String {
    SH.replace("{CD}", cd)
        .replace("{GLOBAL}", global)
        .replace("{NAME}", name)
}
