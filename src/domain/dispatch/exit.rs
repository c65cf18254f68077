//! What a runner's shim tells of its end, and what that means.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::end::{End, EndClass};

/// The exit code that says "try later".
const TRY_LATER: i32 = 75;
/// The exit code that says that trying again makes no sense.
const PERMANENT: i32 = 78;
/// The exit codes of a command that can't be run: it is no program, it is not there.
const NOT_RUNNABLE: i32 = 126;
const NOT_FOUND: i32 = 127;
/// SIGKILL, as a signal and as shells put it into an exit code.
const KILLED: i32 = 9;
const SHELL_KILLED: i32 = 128 + KILLED;

/// Why a runner was ended, or did not begin, whatever its own exit code says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The shim was told to.
    Stop,
    /// It took longer than so many seconds.
    Deadline(f64),
    /// It wrote nothing for so many seconds.
    Stall(f64),
    /// It wrote more than so many bytes.
    Output(u64),
    /// The command can't be run, for this reason.
    NotRunnable(String),
    /// It could not be started, for a reason that may pass.
    NotStarted(String),
}

/// The content of `exit.json`: everything that is known of a runner's end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// The command's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it was ended from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How many bytes of memory it could have, if the system has killed one of its processes for want
    /// of more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<u64>,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// What a person should know: a limit that could not be set, processes that could not be ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What an exit code or a signal means by itself, on any engine.
pub fn class(code: Option<i32>, signal: Option<i32>, out_of_memory: bool) -> EndClass {
    let killed = signal == Some(KILLED) || code == Some(SHELL_KILLED);
    match code {
        Some(0) => EndClass::Done,
        _ if out_of_memory && (killed || code.is_some()) => EndClass::Oom,
        Some(TRY_LATER) => EndClass::TryLater,
        Some(PERMANENT) => EndClass::Permanent,
        Some(NOT_RUNNABLE | NOT_FOUND) => EndClass::Configuration,
        _ => EndClass::Failure,
    }
}

impl Exit {
    /// What it means.
    pub fn end(self) -> End {
        let (class, reason) = match self.cause {
            Some(cause) => told(cause),
            None => self.by_itself(),
        };
        End {
            class,
            exit_code: self.code,
            signal: self.signal,
            reason,
            seconds: self.seconds,
        }
    }

    fn by_itself(&self) -> (EndClass, Option<String>) {
        let class = class(self.code, self.signal, self.out_of_memory.is_some());
        let reason = match (class, self.out_of_memory, self.signal) {
            (EndClass::Oom, Some(bytes), _) => Some(out_of_memory(bytes)),
            (_, _, Some(signal)) => Some(format!("signal {signal} ended it")),
            _ => None,
        };
        (class, reason)
    }
}

/// What is said of who needed more memory than these bytes; of 0, nobody knows how many they were.
pub fn out_of_memory(bytes: u64) -> String {
    match bytes {
        0 => "it needed more memory than it may have".to_owned(),
        bytes => format!(
            "it needed more memory than the {} that it may have",
            amount(bytes)
        ),
    }
}

/// What an end from outside means, and the words for it.
pub fn told(cause: Cause) -> (EndClass, Option<String>) {
    let (class, reason) = match cause {
        Cause::Stop => (EndClass::Stopped, "it was told to end".to_owned()),
        Cause::Deadline(limit) => (
            EndClass::Timeout,
            format!("it took longer than its timeout of {}", time(limit)),
        ),
        Cause::Stall(limit) => (
            EndClass::Stalled,
            format!("it wrote nothing for {}", time(limit)),
        ),
        Cause::Output(limit) => (
            EndClass::Output,
            format!(
                "it wrote more than the {} of output that are kept",
                amount(limit)
            ),
        ),
        Cause::NotRunnable(reason) => (EndClass::Configuration, reason),
        Cause::NotStarted(reason) => (EndClass::Infra, reason),
    };
    (class, Some(reason))
}

/// "1h 30m".
fn time(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    humantime::format_duration(time).to_string()
}

/// "512 MiB": in the largest unit that leaves nothing over.
fn amount(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes;
    let mut unit = 0;
    while amount != 0 && amount.is_multiple_of(1024) && unit + 1 < units.len() {
        amount /= 1024;
        unit += 1;
    }
    format!("{amount} {}", units[unit])
}

/// The classes that a shim can tell by its own exit code, if it can't write it down; the first has
/// [`FIRST_CLASS`].
const TOLD_CLASSES: &[EndClass] = &[
    EndClass::Failure,
    EndClass::Oom,
    EndClass::Timeout,
    EndClass::Stalled,
    EndClass::Output,
    EndClass::Configuration,
    EndClass::Infra,
    EndClass::Stopped,
];
/// A shim's exit codes from here on stand for a class, those below for the command's own exit code.
const FIRST_CLASS: u8 = 200;

/// The shim's own exit code, by which its parent knows of the end what could not be written down.
pub fn shim_code(end: &End) -> u8 {
    let own = end.exit_code.and_then(|code| u8::try_from(code).ok());
    let class = TOLD_CLASSES.iter().position(|told| *told == end.class);
    match (own, class) {
        (Some(own), _) if own < FIRST_CLASS && class_of_code(own) == end.class => own,
        (_, Some(class)) => FIRST_CLASS + class as u8,
        _ => FIRST_CLASS,
    }
}

/// What a shim's exit code tells of the end; `why` it was not written down.
pub fn end_told(code: u8, seconds: f64, why: &str) -> End {
    let class = code.checked_sub(FIRST_CLASS).map(usize::from);
    let class = class.map(|index| TOLD_CLASSES.get(index).copied());
    End {
        class: match class {
            None => class_of_code(code),
            Some(class) => class.unwrap_or(EndClass::Failure),
        },
        exit_code: class.is_none().then_some(i32::from(code)),
        signal: None,
        reason: Some(why.to_owned()),
        seconds,
    }
}

fn class_of_code(code: u8) -> EndClass {
    class(Some(i32::from(code)), None, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(code: i32) -> Exit {
        Exit {
            code: Some(code),
            ..Exit::default()
        }
    }

    #[test]
    fn every_exit_code_has_its_class() {
        let expected = [
            (0, EndClass::Done),
            (1, EndClass::Failure),
            (75, EndClass::TryLater),
            (78, EndClass::Permanent),
            (126, EndClass::Configuration),
            (127, EndClass::Configuration),
            (137, EndClass::Failure),
        ];
        for (code, class) in expected {
            assert_eq!(coded(code).end().class, class, "{code}");
        }
    }

    #[test]
    fn want_of_memory_counts_unless_the_command_got_over_it() {
        let short = |exit: Exit| Exit {
            out_of_memory: Some(512 << 20),
            ..exit
        };
        let killed = Exit {
            signal: Some(9),
            ..Exit::default()
        };
        assert_eq!(killed.clone().end().class, EndClass::Failure);
        for exit in [killed, coded(137), coded(1)] {
            let end = short(exit).end();
            assert_eq!(end.class, EndClass::Oom);
            assert!(end.reason.is_some_and(|reason| reason.contains("512 MiB")));
        }
        assert_eq!(short(coded(0)).end().class, EndClass::Done);
    }

    #[test]
    fn who_was_ended_has_not_done_it_whatever_its_exit_code() {
        let ended = Exit {
            cause: Some(Cause::Deadline(90.0)),
            ..coded(0)
        };
        let end = ended.end();
        assert_eq!(end.class, EndClass::Timeout);
        assert_eq!(
            end.reason.as_deref(),
            Some("it took longer than its timeout of 1m 30s")
        );
    }

    #[test]
    fn what_a_shim_tells_by_its_exit_code_is_understood() {
        let classes =
            TOLD_CLASSES
                .iter()
                .chain(&[EndClass::TryLater, EndClass::Permanent, EndClass::Done]);
        for &class in classes {
            for code in [
                None,
                Some(0),
                Some(1),
                Some(75),
                Some(78),
                Some(137),
                Some(255),
            ] {
                let plain = super::class(code, None, false) == class;
                let told = TOLD_CLASSES.contains(&class);
                if !plain && !told {
                    continue;
                }
                let end = End {
                    class,
                    exit_code: code,
                    signal: None,
                    reason: None,
                    seconds: 1.5,
                };
                let heard = end_told(shim_code(&end), 1.5, "the disk is full");
                assert_eq!(heard.class, class, "{end:?}");
                assert!(heard.exit_code.is_none() || heard.exit_code == code);
            }
        }
    }

    #[test]
    fn an_exit_is_read_back_as_it_was_written() {
        let exit = Exit {
            cause: Some(Cause::NotRunnable("no such program".into())),
            notes: vec!["a note".into()],
            ..coded(127)
        };
        let text = serde_json::to_string(&exit).unwrap();
        assert_eq!(serde_json::from_str::<Exit>(&text).unwrap(), exit);
    }
}
