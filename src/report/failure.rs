//! The one place that gives an error its kind, hints and exit code.

use std::io;

use super::advice::here;
use super::escape::{escape, escape_lines};
use super::hints;
use super::human;
use super::tone::{Tone, painted};
use crate::domain::dispatch::advice::of_run;
use crate::domain::names::SlotId;
use crate::domain::{Error, GitFailure};

pub(super) mod document;

/// Why a command failed, as people, programs and the shell are told.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The published kind.
    pub kind: &'static str,
    /// What happened; further lines belong to it.
    pub message: String,
    /// The next things to try.
    pub hints: Vec<String>,
    /// The exit code.
    pub exit: u8,
    /// The git command behind it.
    pub git: Option<GitFailure>,
}

impl Failure {
    /// The same, with what it is about named first.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same, as it is told here.
    pub(super) fn here(&self) -> Self {
        Self {
            message: here(&self.message),
            hints: self.hints.iter().map(|hint| here(hint)).collect(),
            ..self.clone()
        }
    }

    /// A wrong command line, in the words of the command line's parser.
    pub fn usage(text: &str) -> Self {
        let text = text.trim_end();
        let message = text.strip_prefix("error: ").unwrap_or(text);
        Self::new("usage", 2, message.to_owned())
    }

    fn new(kind: &'static str, exit: u8, message: String) -> Self {
        Self {
            kind,
            message,
            hints: Vec::new(),
            exit,
            git: None,
        }
    }

    fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// The text for people: message, git's own words, hints. No line end at the end.
    pub(super) fn render(&self, color: bool) -> String {
        let mut lines = vec![format!(
            "{} {}",
            painted("error:", Tone::Red, color),
            escape_lines(&self.message)
        )];
        if let Some(git) = &self.git {
            lines.extend(render_git(git));
        }
        for hint in &self.hints {
            lines.push(format!(
                "{} {}",
                painted("hint:", Tone::Cyan, color),
                escape_lines(hint)
            ));
        }
        lines.join("\n")
    }
}

/// The command, how it ended, and its own words below it.
fn render_git(git: &GitFailure) -> Vec<String> {
    let end = match git.exit_code {
        Some(code) => format!("exit {code}"),
        None => "ended".to_owned(),
    };
    let took = human::seconds(git.duration.as_secs_f64());
    let words = if git.stderr.trim().is_empty() {
        &git.stdout
    } else {
        &git.stderr
    };
    let words: Vec<_> = words
        .lines()
        .map(|line| {
            // Of a line that was written over and over, the last state counts.
            let line = line.trim_end();
            line.rsplit('\r').next().unwrap_or(line)
        })
        .filter(|line| !line.is_empty())
        .map(|line| format!("    {}", escape_lines(line)))
        .collect();
    let colon = if words.is_empty() { "" } else { ":" };
    let mut lines = vec![format!("  {} ({end}, {took}){colon}", escape(&git.command))];
    lines.extend(words);
    lines
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::PoolNotFound(_) => Self::new("pool_not_found", 7, text)
                .hint("`repo-pool list` names the pools")
                .hint("`repo-pool create NAME URL` makes one"),
            Error::SlotNotFound(slot) => {
                let failure = Self::new("slot_not_found", 7, text);
                match slot.parse::<SlotId>() {
                    Ok(id) => failure.hint(format!(
                        "`repo-pool status {}` shows the slots of that pool",
                        id.pool
                    )),
                    Err(_) => failure.hint(
                        "slots are named POOL/slotN, or by a path in them; `repo-pool list` names \
                         the pools",
                    ),
                }
            }
            Error::NotFound { hint, .. } => Self::with(Self::new("not_found", 7, text), hint),
            Error::NoAvailableSlot {
                pool,
                slots,
                may_wait,
                ..
            } => no_available_slot(&pool, text, &slots, may_wait),
            Error::SlotAllocation(_) => Self::new("slot_allocation", 1, text),
            Error::SetUp { slot, .. } => {
                let id = super::tables::short_id(&slot);
                let pool = id.split('/').next().unwrap_or_default();
                Self::new("slot_allocation", 1, text).hint(format!(
                    "once that is repaired, `repo-pool recover {pool}` runs it again wherever it failed"
                ))
            }
            Error::Git { failure, .. } => git_operation(text, *failure),
            Error::Cleanup { slot, .. } => Self::new("cleanup", 1, text).hint(format!(
                "`repo-pool recover {}` tries again",
                super::tables::short_id(&slot)
            )),
            Error::LockTimeout { .. } => Self::new("lock_timeout", 3, text).hint(
                "trying again is sensible; `--lock-timeout DUR` or `lock_timeout` in pools.toml \
                 waits longer",
            ),
            Error::RunHeld { run, .. } => Self::new("run_held", 3, text).hint(format!(
                "`{}` shows how it goes; `{}` adds tasks to it",
                of_run(&run, "status", &[]),
                of_run(&run, "add FILE", &[])
            )),
            Error::Config { problems } => {
                let message = match problems.as_slice() {
                    [] | [_] => text,
                    many => format!("{} problems:{}", many.len(), indented(many)),
                };
                Self::new("config_validation", 2, message)
            }
            Error::Usage { hint, .. } => Self::with(Self::new("usage", 2, text), hint),
            Error::Refused { hint, .. } => Self::with(Self::new("refused", 5, text), hint),
            Error::StaleAllocation(_) => Self::new("stale_allocation", 6, text)
                .hint("`repo-pool status` shows who holds which slot"),
            Error::Interrupted(signal) => {
                let exit = u8::try_from(signal.saturating_add(128)).unwrap_or(1);
                Self::new("internal", exit, text)
            }
            Error::Io { ref source, .. } => {
                Self::with(Self::new("internal", 1, text), io_hint(source.kind()))
            }
            Error::NoSuchRevision { pool, .. } => Self::new("internal", 1, text).hint(format!(
                "`repo-pool branches {pool}` lists the remote's branches"
            )),
            Error::BranchTaken { slot, .. } => Self::with(
                Self::new("internal", 1, text),
                Some(format!(
                    "release that slot first (`repo-pool release {slot}`), or choose another branch"
                )),
            ),
            Error::Failed { hint, .. } | Error::Pool { hint, .. } => {
                Self::with(Self::new("internal", 1, text), hint)
            }
        }
    }
}

impl Failure {
    fn with(mut self, hint: Option<String>) -> Self {
        self.hints.extend(hint);
        self
    }
}

fn no_available_slot(pool: &str, text: String, slots: &[String], may_wait: bool) -> Failure {
    let message = if slots.is_empty() {
        format!("{text}: it has none")
    } else {
        format!("{text}:{}", indented(slots))
    };
    let failure = Failure::new("no_available_slot", 4, message)
        .hint(format!("`repo-pool add-slot {pool}` makes one more"));
    match may_wait {
        true => failure.hint("`--wait 10m` waits in line for one"),
        false => failure,
    }
}

fn git_operation(text: String, git: GitFailure) -> Failure {
    let message = match &git.ended {
        Some(why) => format!("{text}: {why}"),
        None => text,
    };
    let mut failure = Failure::new("git_operation", 1, message);
    failure.hints = hints::for_git(&git);
    failure.hints.extend(git.hint.clone());
    failure.git = Some(git);
    failure
}

fn io_hint(kind: io::ErrorKind) -> Option<String> {
    let hint = match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that disk; `repo-pool status --disk` shows what the pools take"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "is the place yours to write to? `--workspace DIR` chooses another workspace"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn git_error() -> Error {
        Error::Git {
            context: "cannot fetch pool my-project".into(),
            failure: Box::new(GitFailure {
                command: "git fetch --prune origin".into(),
                exit_code: Some(128),
                stdout: String::new(),
                stderr: "Receiving: 1%\rReceiving: 2%\r\nfatal: could not read Username for 'https://example.com': terminal prompts disabled\n\x1b]0;x\x07\n".into(),
                duration: Duration::from_millis(1500),
                ended: None,
                hint: None,
            }),
        }
    }

    #[test]
    fn every_error_has_its_published_kind_and_code() {
        let text = String::new;
        let table = [
            (Error::PoolNotFound("p".into()), "pool_not_found", 7),
            (Error::SlotNotFound("p/slot1".into()), "slot_not_found", 7),
            (Error::not_found("run x"), "not_found", 7),
            (
                Error::NoAvailableSlot {
                    pool: "p".into(),
                    slots: vec![],
                    waited: None,
                    may_wait: true,
                },
                "no_available_slot",
                4,
            ),
            (Error::SlotAllocation(text()), "slot_allocation", 1),
            (
                Error::SetUp {
                    slot: "workspace-p-slot1".into(),
                    reason: text(),
                },
                "slot_allocation",
                1,
            ),
            (git_error(), "git_operation", 1),
            (
                Error::Cleanup {
                    slot: "workspace-p-slot1".into(),
                    reason: text(),
                },
                "cleanup",
                1,
            ),
            (
                Error::LockTimeout {
                    resource: "pool p".into(),
                    holder: None,
                    waited: Duration::from_secs(30),
                },
                "lock_timeout",
                3,
            ),
            (
                Error::RunHeld {
                    run: text(),
                    holder: None,
                },
                "run_held",
                3,
            ),
            (
                Error::Config {
                    problems: vec![text()],
                },
                "config_validation",
                2,
            ),
            (Error::usage("u"), "usage", 2),
            (
                Error::Refused {
                    message: text(),
                    hint: None,
                },
                "refused",
                5,
            ),
            (Error::StaleAllocation(text()), "stale_allocation", 6),
            (Error::Interrupted(2), "internal", 130),
            (Error::Interrupted(15), "internal", 143),
            (
                Error::io("write", "/x", io::ErrorKind::StorageFull.into()),
                "internal",
                1,
            ),
            (Error::failed("f"), "internal", 1),
        ];
        let mut kinds: Vec<_> = table.iter().map(|row| row.1).collect();
        kinds.dedup();
        assert_eq!(kinds, document::KINDS);
        for (error, kind, exit) in table {
            let text = format!("{error:?}");
            let failure = Failure::from(error);
            assert_eq!((failure.kind, failure.exit), (kind, exit), "{text}");
        }
    }

    #[test]
    fn git_speaks_in_its_own_words() {
        insta::assert_snapshot!(Failure::from(git_error()).render(false), @r"
        error: cannot fetch pool my-project
          git fetch --prune origin (exit 128, 1.5 s):
            Receiving: 2%
            fatal: could not read Username for 'https://example.com': terminal prompts disabled
            \x1b]0;x\x07
        hint: git is never given a terminal to ask on: a credential helper or an ssh key has to work without a prompt (`git ls-remote URL </dev/null` tries it)
        ");
    }

    #[test]
    fn exhaustion_lists_the_holders() {
        let failure = Failure::from(Error::NoAvailableSlot {
            pool: "my-project".into(),
            slots: vec![
                "my-project/slot1: held by agent-7 for 3h; `repo-pool release my-project/slot1` frees it".into(),
                "my-project/slot2: error".into(),
            ],
            waited: None,
            may_wait: true,
        });
        insta::assert_snapshot!(failure.render(false), @"
        error: no slot of pool my-project is available:
          my-project/slot1: held by agent-7 for 3h; `repo-pool release my-project/slot1` frees it
          my-project/slot2: error
        hint: `repo-pool add-slot my-project` makes one more
        hint: `--wait 10m` waits in line for one
        ");
    }

    #[test]
    fn lock_time_outs_name_the_setting() {
        let failure = Failure::from(Error::LockTimeout {
            resource: "pool my-project".into(),
            holder: Some("pid 4711 (repo-pool create)".into()),
            waited: Duration::from_secs(30),
        });
        insta::assert_snapshot!(failure.render(true), @"\x1b[31merror:\x1b[0m the lock on pool my-project was busy for 30.0 s, held by pid 4711 (repo-pool create)\n\x1b[36mhint:\x1b[0m trying again is sensible; `--lock-timeout DUR` or `lock_timeout` in pools.toml waits longer");
    }

    #[test]
    fn several_problems_are_all_listed() {
        let failure = Failure::from(Error::Config {
            problems: vec![
                "pools.toml:3: num_slots must be at least 1".into(),
                "pools.toml:9: unknown key `foo`".into(),
            ],
        });
        insta::assert_snapshot!(failure.render(false), @"
        error: 2 problems:
          pools.toml:3: num_slots must be at least 1
          pools.toml:9: unknown key `foo`
        ");
    }

    #[test]
    fn the_parsers_text_is_said_once() {
        let failure =
            Failure::usage("error: unexpected argument '--x' found\n\nUsage: repo-pool list\n");
        assert_eq!(
            failure.render(false),
            "error: unexpected argument '--x' found\n\nUsage: repo-pool list"
        );
    }

    #[test]
    fn the_document_has_the_published_shape() {
        let json = serde_json::to_string_pretty(&Failure::from(git_error())).unwrap();
        insta::assert_snapshot!(json, @r#"
        {
          "kind": "git_operation",
          "message": "cannot fetch pool my-project",
          "hints": [
            "git is never given a terminal to ask on: a credential helper or an ssh key has to work without a prompt (`git ls-remote URL </dev/null` tries it)"
          ],
          "git": {
            "command": "git fetch --prune origin",
            "exit_code": 128,
            "stdout": "",
            "stderr": "Receiving: 1%\rReceiving: 2%\r\nfatal: could not read Username for 'https://example.com': terminal prompts disabled\n\u001b]0;x\u0007\n",
            "duration_seconds": 1.5
          }
        }
        "#);
        let json = serde_json::to_string(&Failure::from(Error::PoolNotFound("p".into()))).unwrap();
        insta::assert_snapshot!(json, @r#"{"kind":"pool_not_found","message":"there is no pool p","hints":["`repo-pool list` names the pools","`repo-pool create NAME URL` makes one"]}"#);
    }
}
