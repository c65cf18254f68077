//! What the completion scripts ask for: the words that can stand at a place of a command line.
//!
//! `repo-pool __complete SHELL INDEX -- WORD…` answers with a line that says what else the shell may
//! offer there (`words`: nothing, `dirs`, `files`, or `command N`: what can stand in a command line
//! that begins at word N) and then a word a line, a tab and a few words about it. It takes no lock, runs
//! no git and says nothing of what goes wrong.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};

use crate::cli;
use crate::config::Environment;
use crate::report::{Options, Output};

mod names;

use names::{Names, Wanted};

/// The word by which the scripts ask.
const ASKED: &str = "__complete";

/// Whether this command line is a script's question.
pub fn is_asked(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|word| word == ASKED)
}

/// Answers.
pub fn run(args: &[OsString], environment: &Environment) -> ExitCode {
    if let Some(question) = Question::of(args) {
        // What can't be written is offered by nobody.
        let _ = Output::new(Options::default()).data(question.answer(environment));
    }
    ExitCode::SUCCESS
}

/// A command line, and which of its words is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    words: Vec<OsString>,
    index: usize,
    /// What stands before the part of the word that the shell replaces.
    before: String,
}

impl Question {
    fn of(args: &[OsString]) -> Option<Self> {
        let shell = args.get(2)?.to_str()?;
        let index = args.get(3)?.to_str()?.parse().ok()?;
        let words = args.get(5..).filter(|words| !words.is_empty())?.to_vec();
        let mut question = Self {
            words,
            index,
            before: String::new(),
        };
        if shell == "bash" {
            question.join();
        }
        // A word that is still empty may not be given at all.
        question.words.resize(question.index + 1, OsString::new());
        Some(question)
    }

    /// bash takes the `=` of `--option=value` for a word of its own.
    fn join(&mut self) {
        let mut at = 1;
        while at < self.words.len() {
            let is_option = self.words[at - 1].as_encoded_bytes().starts_with(b"--");
            if self.words[at] != "=" || !is_option || self.words[at - 1].len() == 2 {
                at += 1;
                continue;
            }
            let value = at + 1 < self.words.len() && self.index != at;
            let end = at + usize::from(value);
            let rest: Vec<OsString> = self.words.drain(at..=end).collect();
            self.words[at - 1].extend(rest);
            if (at..=end).contains(&self.index) {
                let word = self.words[at - 1].to_string_lossy();
                self.before = word
                    .split_inclusive('=')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                self.index = at - 1;
            } else if self.index > end {
                self.index -= end - at + 1;
            }
        }
    }

    fn answer(self, environment: &Environment) -> String {
        let word = self.words[self.index].clone();
        let names = Arc::new(Names::new(&self.words, environment));
        let elsewhere = Elsewhere::default();
        let mut command = with_names(cli::command(), &names, &elsewhere);
        let command_at = self.command();
        let found = match command_at {
            Some(_) => Vec::new(),
            None => complete(&mut command, self.words, self.index, None).unwrap_or_default(),
        };
        let kind = match command_at {
            Some(at) => format!("command {at}"),
            None => elsewhere.kind().to_owned(),
        };
        let mut lines = vec![kind];
        lines.extend(
            offered(found, &word)
                .iter()
                .map(|found| line(found, &self.before)),
        );
        lines.join("\n") + "\n"
    }

    /// Where the command line of another program begins, if the word is in one: behind the `--` of
    /// `exec` or `dispatch run`.
    fn command(&self) -> Option<usize> {
        let before = self.words.get(..self.index)?;
        let end = before.iter().position(|word| word == "--")?;
        let takes_command = |word: &OsString| word == "exec" || word == "dispatch";
        let is_exec = before[..end].iter().any(takes_command);
        is_exec.then_some(end + 1)
    }
}

/// What else the shell is to offer. The engine asks for it by the way.
#[derive(Clone, Default)]
struct Elsewhere(Arc<Mutex<Option<&'static str>>>);

impl Elsewhere {
    fn offer(&self, kind: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
    }

    fn kind(&self) -> &'static str {
        let kind = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kind.unwrap_or("words")
    }
}

/// The grammar with what completes its values.
fn with_names(command: Command, names: &Arc<Names>, elsewhere: &Elsewhere) -> Command {
    let verb = command.get_name().to_owned();
    command
        .mut_args(|arg| completed(arg, &verb, names, elsewhere))
        .mut_subcommands(|verb| with_names(verb, names, elsewhere))
}

fn completed(arg: Arg, verb: &str, names: &Arc<Names>, elsewhere: &Elsewhere) -> Arg {
    let value = arg.get_value_names().and_then(|names| names.first());
    let value = value
        .map(|name| name.as_str().to_owned())
        .unwrap_or_default();
    let wanted = Wanted::of(verb, &value, arg.is_positional());
    let elsewhere = elsewhere.clone();
    let by = match (wanted, arg.get_value_hint()) {
        (Some(wanted), _) => {
            let names = Arc::clone(names);
            ArgValueCompleter::new(move |word: &OsStr| {
                if wanted.may_be_path() && is_path(word) {
                    elsewhere.offer("dirs");
                }
                names.of(wanted)
            })
        }
        (None, ValueHint::DirPath) => paths(elsewhere, "dirs"),
        (None, ValueHint::FilePath | ValueHint::AnyPath) => paths(elsewhere, "files"),
        (None, _) => return arg,
    };
    arg.add(by)
}

/// The shell knows best how paths are written and quoted.
fn paths(elsewhere: Elsewhere, kind: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |_: &OsStr| {
        elsewhere.offer(kind);
        Vec::new()
    })
}

/// Whether a word can only be meant as a path.
fn is_path(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes().first(), Some(b'/' | b'.' | b'~'))
}

/// Those that begin as the word does. Options only where one is begun, or where there is nothing else.
fn offered(mut found: Vec<CompletionCandidate>, word: &OsStr) -> Vec<CompletionCandidate> {
    let starts = |found: &CompletionCandidate, with: &[u8]| {
        found.get_value().as_encoded_bytes().starts_with(with)
    };
    found.retain(|found| starts(found, word.as_encoded_bytes()));
    if word.is_empty() && found.iter().any(|found| !starts(found, b"-")) {
        found.retain(|found| !starts(found, b"-"));
    }
    found
}

fn line(found: &CompletionCandidate, before: &str) -> String {
    let value = found.get_value().to_string_lossy();
    let value = value.strip_prefix(before).unwrap_or(&value);
    let help = found.get_help().map(ToString::to_string);
    let help = help.and_then(|help| help.lines().next().map(|line| format!("\t{line}")));
    value.to_owned() + &help.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(shell: &str, index: usize, words: &[&str]) -> Question {
        let index = index.to_string();
        let fixed = ["repo-pool", ASKED, shell, &index, "--"];
        let args: Vec<OsString> = fixed.iter().chain(words).map(Into::into).collect();
        assert!(is_asked(&args));
        Question::of(&args).expect("a question")
    }

    fn answer(line: &[&str]) -> Vec<String> {
        let question = question("fish", line.len(), &[&["repo-pool"], line].concat());
        let answer = question.answer(&Environment::default());
        answer.lines().map(str::to_owned).collect()
    }

    fn values(line: &[&str]) -> Vec<String> {
        let value = |line: &String| line.split('\t').next().unwrap_or_default().to_owned();
        answer(line)[1..].iter().map(value).collect()
    }

    #[test]
    fn verbs_options_and_values_are_completed() {
        assert_eq!(values(&["rel"]), ["release"]);
        assert_eq!(
            answer(&["sta"])[1],
            "status\tShow pools, the slots of a pool, or one slot"
        );
        assert_eq!(values(&["allocate", "p", "--no-f"]), ["--no-fetch"]);
        assert_eq!(values(&["recover", "--only", "dead"]), ["dead_owner"]);
        assert_eq!(values(&["--color=al"]), ["--color=always"]);
        assert_eq!(values(&["rescue", "re"]), ["restore"]);
        assert!(!values(&[""]).iter().any(|value| value.starts_with('-')));
        assert!(values(&["list", ""]).contains(&"--json".to_owned()));
    }

    #[test]
    fn paths_and_commands_are_left_to_the_shell() {
        for (line, kind) in [
            (&["status", "./"][..], "dirs"),
            (&["status", "x"], "words"),
            (&["--workspace", ""], "dirs"),
            (&["--workspace=/t"], "dirs"),
            (&["--config", "x"], "files"),
            (&["create", "p", "x"], "files"),
            (&["allocate", "p", "--owner", ""], "words"),
            (&["exec", "p", "--", ""], "command 4"),
            (&["-q", "exec", "p", "--", "make", "x"], "command 5"),
        ] {
            assert_eq!(answer(line)[0], kind, "{line:?}");
        }
    }

    #[test]
    fn what_bash_takes_apart_is_one_word() {
        let of = |index, words: &[&str]| {
            let question = question("bash", index, words);
            let words: Vec<_> = question
                .words
                .iter()
                .map(|word| word.to_str().unwrap())
                .collect();
            (question.index, words.join(" "), question.before)
        };
        let expected = |index, words: &str, before: &str| (index, words.into(), before.into());
        let words = ["rp", "--color", "=", "al"];
        assert_eq!(of(3, &words), expected(1, "rp --color=al", "--color="));
        assert_eq!(of(2, &words[..3]), expected(1, "rp --color=", "--color="));
        let words = ["rp", "--color", "=", "always", "status", "x"];
        assert_eq!(of(5, &words), expected(3, "rp --color=always status x", ""));
        let words = ["rp", "a", "=", "b"];
        assert_eq!(of(3, &words), expected(3, "rp a = b", ""));
    }

    #[test]
    fn nothing_is_said_to_a_wrong_question() {
        for words in [
            &[][..],
            &["bash"],
            &["bash", "x", "--", "a"],
            &["bash", "1", "--"],
        ] {
            let args = ["repo-pool", ASKED].iter().chain(words).map(Into::into);
            assert_eq!(Question::of(&args.collect::<Vec<_>>()), None, "{words:?}");
        }
        assert!(values(&["no-such-verb", "x", "--y"]).is_empty());
    }
}
