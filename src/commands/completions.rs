//! `completions`: the script that teaches a shell this program's command line.
//!
//! [`generate`] only makes the bytes, so that a test can hold the committed files against them. The
//! scripts for bash, zsh and fish know nothing themselves: they ask the program, see
//! [`complete`](super::complete). Those for other shells know the command line and no names.

use super::session::Session;
use crate::cli::{self, CompletionsArgs, Shell};
use crate::domain::Result;
use crate::report::output::unless_closed;

const BASH: &str = include_str!("shell/complete.bash");
const ZSH: &str = include_str!("shell/complete.zsh");
const FISH: &str = include_str!("shell/complete.fish");

/// Prints the script.
pub fn run(session: &Session, args: &CompletionsArgs) -> Result<u8> {
    unless_closed(session.output.data(generate(args.shell)))?;
    Ok(0)
}

/// The completion script for `shell`.
#[must_use]
pub fn generate(shell: Shell) -> Vec<u8> {
    match shell {
        Shell::Bash => Target::Program.bash(),
        Shell::Zsh => Target::Program.zsh(),
        Shell::Fish => Target::Program.fish(),
        other => {
            let mut script = Vec::new();
            clap_complete::generate(other, &mut cli::command(), cli::PROGRAM, &mut script);
            return script;
        }
    }
    .into_bytes()
}

/// What is completed: a command of a shell's.
pub(super) enum Target<'a> {
    /// This program.
    Program,
    /// A function of that name, which takes what `allocate` takes.
    Allocating(&'a str),
}

/// What is special about a target in a shell's script: the words of the command line as if the program
/// itself was called, and the place of the one that is asked for.
struct Words {
    words: &'static str,
    index: &'static str,
}

impl Target<'_> {
    /// What makes bash complete it.
    pub(super) fn bash(&self) -> String {
        self.fill(
            BASH,
            match self {
                Self::Program => Words {
                    words: r#""${COMP_WORDS[@]}""#,
                    index: "$COMP_CWORD",
                },
                Self::Allocating(_) => Words {
                    words: r#"repo-pool allocate "${COMP_WORDS[@]:1}""#,
                    index: "$((COMP_CWORD + 1))",
                },
            },
        )
    }

    /// The same for zsh.
    pub(super) fn zsh(&self) -> String {
        self.fill(
            ZSH,
            match self {
                Self::Program => Words {
                    words: r#""${(@Q)words}""#,
                    index: "$((CURRENT - 1))",
                },
                Self::Allocating(_) => Words {
                    words: r#"repo-pool allocate "${(@Q)words[2,-1]}""#,
                    index: "$CURRENT",
                },
            },
        )
    }

    /// The same for fish.
    pub(super) fn fish(&self) -> String {
        self.fill(
            FISH,
            match self {
                Self::Program => Words {
                    words: "$words",
                    index: "",
                },
                Self::Allocating(_) => Words {
                    words: "repo-pool allocate $words[2..-1]",
                    index: "",
                },
            },
        )
    }

    fn fill(&self, script: &str, Words { words, index }: Words) -> String {
        let (name, function) = match self {
            Self::Program => (cli::PROGRAM, "_repo_pool"),
            Self::Allocating(name) => (*name, "__repo_pool_complete_take"),
        };
        script
            .replace("{NAME}", name)
            .replace("{FUNCTION}", function)
            .replace("{WORDS}", words)
            .replace("{INDEX}", index)
    }
}
