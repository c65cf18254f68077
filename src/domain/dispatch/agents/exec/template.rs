//! Commands with placeholders.

use std::collections::BTreeMap;

/// Every placeholder, and what it stands for.
pub const PLACEHOLDERS: &[(&str, &str)] = &[
    ("name", "the runner's name: small letters, digits and '-'"),
    ("job", "what `submit` has answered"),
    (
        "script",
        "a program that runs the command as it is to be run",
    ),
    ("command", "the command, as so many words"),
    ("workdir", "where the command runs"),
    ("dir", "the attempt's directory"),
    ("log", "the file for its output"),
    (
        "env_file",
        "a file of NAME=value lines, readable by its owner only",
    ),
    ("cpu", "how many processors it needs, in whole ones"),
    ("memory_mb", "how many MB of memory it needs"),
    ("timeout_seconds", "how long it may run"),
    ("timeout_minutes", "the same in minutes"),
    ("run", "the run"),
    ("task", "the task's id"),
    ("attempt", "the number of the attempt"),
];

/// A word that holds one of these is left out for a task that says nothing of it.
pub const OPTIONAL: &[&str] = &["memory_mb", "timeout_seconds", "timeout_minutes"];

/// What the placeholders stand for in one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// By name; of those in [`OPTIONAL`] only those that there are.
    pub texts: BTreeMap<&'static str, String>,
    /// The command.
    pub command: Vec<String>,
}

/// A part of a word.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// The words of a command, with placeholders.
///
/// A placeholder is a name of small letters and `_` in braces. What follows a `$` or is in doubled
/// braces is a shell's or another template's, and stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct Template<'a>(pub &'a [String]);

impl Template<'_> {
    /// Whether it has that placeholder.
    pub fn has(self, name: &str) -> bool {
        let mut parts = self.0.iter().flat_map(|word| parts(word));
        parts.any(|part| part == Part::Placeholder(name))
    }

    /// What is wrong with it. `with_job`: whether a job is there already.
    pub fn problems(self, with_job: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if self.0.first().is_some_and(|word| word.trim().is_empty()) {
            problems.push("begins with an empty word: which program?".to_owned());
        }
        if self.0.first().is_some_and(|word| word.contains('{')) {
            problems.push("begins with a placeholder: which program?".to_owned());
        }
        for word in self.0 {
            let parts = parts(word);
            let whole = parts.len() == 1;
            let names = parts.iter().filter_map(|part| match part {
                Part::Placeholder(name) => Some(*name),
                Part::Text(_) => None,
            });
            for name in names {
                let known = PLACEHOLDERS.iter().any(|(known, _)| *known == name);
                if !known {
                    let all: Vec<String> = PLACEHOLDERS
                        .iter()
                        .map(|(name, _)| format!("{{{name}}}"))
                        .collect();
                    let all = all.join(", ");
                    problems.push(format!("holds {{{name}}}, which is none of {all}"));
                } else if name == "command" && !whole {
                    problems.push(
                        "holds {command} within a word: it stands for words of its own".to_owned(),
                    );
                } else if name == "job" && !with_job {
                    problems.push("holds {job}: there is none yet".to_owned());
                } else if matches!(name, "script" | "command") && with_job {
                    problems.push(format!("holds {{{name}}}, which is for `submit` only"));
                }
            }
        }
        problems
    }

    /// The command line. What is filled in is not looked at again.
    pub fn filled(self, values: &Values) -> Vec<String> {
        let mut words = Vec::new();
        for word in self.0 {
            let parts = parts(word);
            if parts == [Part::Placeholder("command")] {
                words.extend(values.command.iter().cloned());
            } else if let Some(word) = one(&parts, values) {
                words.push(word);
            }
        }
        words
    }
}

/// A word; none if what it speaks of is not there.
fn one(parts: &[Part<'_>], values: &Values) -> Option<String> {
    let mut word = String::new();
    for part in parts {
        match part {
            Part::Text(text) => word.push_str(text),
            Part::Placeholder(name) => match values.texts.get(name) {
                Some(value) => word.push_str(value),
                None if OPTIONAL.contains(name) => return None,
                None => {}
            },
        }
    }
    Some(word)
}

fn parts(word: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while let Some(open) = word[at..].find('{').map(|found| at + found) {
        at = open + 1;
        let rest = &word[at..];
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_')
            .count();
        let before = word[..open].chars().next_back();
        let closed = rest[length..].starts_with('}');
        if length == 0 || !closed || matches!(before, Some('$' | '{')) {
            continue;
        }
        if begin < open {
            parts.push(Part::Text(&word[begin..open]));
        }
        parts.push(Part::Placeholder(&rest[..length]));
        at += length + 1;
        begin = at;
    }
    if begin < word.len() || parts.is_empty() {
        parts.push(Part::Text(&word[begin..]));
    }
    parts
}
