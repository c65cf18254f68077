//! What the verbs take that show something, or that a shell is set up with.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as Text;
use clap::{Args, ValueHint};
use clap_complete::Shell;

use super::values::{self, ScriptShell};

/// What `status` takes.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// A pool or a slot [default: all pools]
    #[arg(value_name = "POOL|SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub target: Option<String>,
    /// Show it anew at every change, and every DURATION [default: 2s]; Ctrl-C ends it
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
        default_missing_value = "2s", value_parser = values::some_time,
        conflicts_with = "check", value_hint = ValueHint::Other)]
    pub watch: Option<Duration>,
    /// Show the disk use, too: of pools, or of a pool's slots and repository
    #[arg(long)]
    pub disk: bool,
    /// Exit with 1 if anything needs attention
    #[arg(long)]
    pub check: bool,
}

/// What `log` takes.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// A pool or a slot [default: all pools]
    #[arg(value_name = "POOL|SLOT", value_parser = Text::new(), value_hint = ValueHint::DirPath)]
    pub target: Option<String>,
    /// Print the newest N only [default: all; with --follow 10]
    #[arg(short = 'n', long, value_name = "N", value_hint = ValueHint::Other)]
    pub lines: Option<usize>,
    /// Go on with what happens from now on; Ctrl-C ends it
    #[arg(short, long)]
    pub follow: bool,
}

/// What `completions` takes.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// What `shell-init` takes.
#[derive(Debug, Clone, Args)]
pub struct ShellInitArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ScriptShell,
    /// The name of the function
    #[arg(long = "cmd", value_name = "NAME", default_value = "rp", value_parser = function_name, value_hint = ValueHint::Other)]
    pub name: String,
}

/// Words that no shell takes for a function's name.
const RESERVED: [&str; 28] = [
    "and",
    "begin",
    "builtin",
    "case",
    "command",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "eval",
    "exec",
    "fi",
    "for",
    "function",
    "if",
    "in",
    "not",
    "or",
    "repo-pool",
    "return",
    "select",
    "switch",
    "then",
    "time",
    "until",
    "while",
];

/// What every shell takes for a function's name.
fn function_name(text: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let other = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.starts_with(first) || !text.chars().all(other) {
        return Err("letters, digits, '_' and '-', beginning with a letter or '_'".to_owned());
    }
    if RESERVED.contains(&text) {
        return Err("that word means something else".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_a_name_that_is_code_in_no_shell() {
        for name in ["rp", "_rp2", "my-slot", "cd"] {
            assert_eq!(function_name(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            "2rp",
            "-x",
            "a b",
            "a;b",
            "$(x)",
            "rp\n",
            "if",
            "end",
            "repo-pool",
        ] {
            assert!(function_name(name).is_err(), "{name:?}");
        }
    }
}
