//! Puts the tables of [`super::topics`] into the help texts: groups of verbs at the top level,
//! exit codes and examples after each verb's options.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Command;
use clap::builder::StyledStr;
use clap::builder::styling::Style;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::topics::{ENVIRONMENT, EXIT_CODES, FILES, GROUPS, Row, WORKSPACE, topic};

/// Adds the help texts to the derived grammar.
pub(super) fn attach(command: Command) -> Command {
    let style = HelpStyle::of(&command);
    let template = template(&command, style);
    command
        .help_template(template)
        .after_help("`repo-pool COMMAND --help` explains a command and gives examples.")
        .after_long_help(reference(style))
        .mut_subcommands(|verb| {
            let name = verb.get_name().to_owned();
            let verb = verb.mut_subcommands(|sub| {
                let called = format!("{name} {}", sub.get_name());
                with_topic(sub, &called, style)
            });
            with_topic(verb, &name, style)
        })
}

fn with_topic(verb: Command, called: &str, style: HelpStyle) -> Command {
    match after_verb(called, style) {
        Some(text) => verb.after_long_help(text),
        None => verb,
    }
}

/// The two styles of the help texts, as escape sequences; clap drops them where they don't belong.
#[derive(Clone, Copy)]
struct HelpStyle {
    header: Style,
    literal: Style,
}

impl HelpStyle {
    fn of(command: &Command) -> Self {
        let styles = command.get_styles();
        Self {
            header: *styles.get_header(),
            literal: *styles.get_literal(),
        }
    }

    fn heading(self, text: &mut String, title: &str) {
        let header = self.header;
        let _ = writeln!(text, "{header}{title}:{header:#}");
    }

    /// Rows as two columns, the first as wide as it needs to be.
    fn table(self, text: &mut String, rows: &[Row]) {
        let literal = self.literal;
        let width = rows.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
        for (word, meaning) in rows {
            let _ = writeln!(text, "  {literal}{word:width$}{literal:#}  {meaning}");
        }
    }

    /// Rows as a line each, what the line does below it.
    fn examples(self, text: &mut String, rows: &[Row]) {
        let literal = self.literal;
        for (line, meaning) in rows {
            let _ = writeln!(text, "  {literal}{line}{literal:#}\n      {meaning}");
        }
    }
}

/// The top-level help: like clap's own, with the verbs in groups.
fn template(command: &Command, style: HelpStyle) -> String {
    let literal = style.literal;
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n\n".to_owned();
    for group in GROUPS {
        style.heading(&mut text, group.title);
        for name in group.verbs {
            let about = command
                .find_subcommand(name)
                .and_then(Command::get_about)
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = writeln!(text, "  {literal}{name:11}{literal:#}  {about}");
        }
        text.push('\n');
    }
    style.heading(&mut text, "Options");
    text.push_str("{options}{after-help}");
    text
}

/// What the long top-level help adds: exit codes, environment, files.
fn reference(style: HelpStyle) -> String {
    let mut text = String::new();
    let tables = [
        ("Exit codes", EXIT_CODES),
        ("Environment", ENVIRONMENT),
        ("The workspace is the first of", WORKSPACE),
        ("Files in it", FILES),
    ];
    for (title, rows) in tables {
        style.heading(&mut text, title);
        style.table(&mut text, rows);
        text.push('\n');
    }
    text.push_str("`repo-pool COMMAND --help` explains a command and gives examples.");
    text
}

/// What the long help of a verb adds: its exit codes and examples.
fn after_verb(verb: &str, style: HelpStyle) -> Option<String> {
    let topic = topic(verb)?;
    let mut text = String::new();
    if !topic.exit_codes.is_empty() {
        style.heading(&mut text, "Exit codes (all: repo-pool --help)");
        style.table(&mut text, topic.exit_codes);
        text.push('\n');
    }
    style.heading(&mut text, "Examples");
    style.examples(&mut text, topic.examples);
    Some(text.trim_end().to_owned())
}

/// Says where a command goes to who wrote `exec POOL CMD` without the `--`.
pub(super) fn with_tip(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let stray = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => word,
        _ => return error,
    };
    let in_exec = error
        .get(ContextKind::Usage)
        .is_some_and(|usage| usage.to_string().contains("repo-pool exec"));
    if in_exec && !stray.starts_with('-') {
        let meant = parted(args, stray)
            .unwrap_or_else(|| format!("{} exec POOL -- {stray}", super::PROGRAM));
        let tip = format!("the command goes after --: {meant}");
        let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

/// The command line with the `--` before `stray`, where all its words are plain ones, which a shell
/// takes as they are.
fn parted(args: &[OsString], stray: &str) -> Option<String> {
    let mut words: Vec<&str> = args
        .iter()
        .skip(1)
        .map(|arg| arg.to_str())
        .collect::<Option<_>>()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !words.iter().all(|word| word.chars().all(plain)) {
        return None;
    }
    // The pool's name may be the same word.
    let from = words.iter().position(|word| *word == "exec")? + 2;
    let at = words.iter().skip(from).position(|word| *word == stray)?;
    words.insert(from + at, "--");
    Some(format!("{} {}", super::PROGRAM, words.join(" ")))
}
