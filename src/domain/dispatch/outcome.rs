//! What the driver of a runner tells of its end, and what that means together with what its keeper
//! tells.

use serde::{Deserialize, Serialize};

use super::end::{End, EndClass};
use super::exit::{Cause, Exit};

/// The content of `outcome.json`: how a runner ended that another engine has run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// The command's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// How many bytes of memory it could have, if the engine has killed it for want of more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<u64>,
    /// What it means, where that does not follow from the above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<EndClass>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it ran, in seconds, if the engine says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Outcome {
    /// A command that ended by itself.
    pub fn exited(code: i32) -> Self {
        Self {
            code: Some(code),
            ..Self::default()
        }
    }

    /// An end that is none of the command's.
    pub fn of(class: EndClass, reason: impl Into<String>) -> Self {
        Self {
            class: Some(class),
            reason: Some(reason.into()),
            ..Self::default()
        }
    }

    /// What it means; `seconds`, if it says nothing of how long it ran.
    pub fn end(self, seconds: f64) -> End {
        let exit = Exit {
            code: self.code,
            signal: self.signal,
            out_of_memory: self.out_of_memory,
            seconds: self.seconds.unwrap_or(seconds),
            ..Exit::default()
        };
        let mut end = exit.end();
        end.class = self.class.unwrap_or(end.class);
        end.reason = self.reason.or(end.reason);
        end
    }
}

/// How a driven runner ended: `exit` is what its keeper tells of the driver, `outcome` what the driver
/// tells of the runner. None if it follows from neither: the runner itself has to be looked for.
///
/// Who was ended because it had to be has not ended by itself, whatever it made of that.
pub fn end(exit: Option<&Exit>, outcome: Option<&Outcome>) -> Option<End> {
    let seconds = exit.map(|exit| exit.seconds).unwrap_or_default();
    let own = outcome.map(|outcome| outcome.clone().end(seconds));
    let Some(cause) = exit.and_then(|exit| exit.cause.clone()) else {
        return own;
    };
    let brought_about = Exit {
        cause: Some(cause.clone()),
        seconds,
        ..Exit::default()
    };
    let mut end = brought_about.end();
    match cause {
        // The driver itself could not be run: nothing was begun. That says nothing of the command.
        Cause::NotRunnable(_) | Cause::NotStarted(_) => end.class = EndClass::Infra,
        _ => {}
    }
    if let Some(own) = own {
        end.exit_code = own.exit_code;
        end.signal = own.signal;
        end.seconds = own.seconds;
    }
    Some(end)
}

/// Whether the keeper tells that the runner was to be ended, so that it is not taken up again.
pub fn was_to_end(exit: &Exit) -> bool {
    matches!(
        exit.cause,
        Some(Cause::Stop | Cause::Deadline(_) | Cause::Stall(_) | Cause::Output(_))
    )
}

/// What is known of a driver that ended without a word of its runner, which is not there.
pub fn without_a_word(exit: &Exit) -> End {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    };
    let reason = format!("the process that drove it ended with {how}, and nothing of it is left");
    Outcome::of(EndClass::Lost, reason).end(exit.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(cause: Option<Cause>) -> Exit {
        Exit {
            cause,
            seconds: 3.0,
            ..Exit::default()
        }
    }

    #[test]
    fn what_the_driver_tells_counts_unless_the_runner_was_ended() {
        let failed = Outcome::exited(7);
        let by_itself = end(Some(&exit(None)), Some(&failed)).unwrap();
        assert_eq!(by_itself.class, EndClass::Failure);
        assert_eq!((by_itself.exit_code, by_itself.seconds), (Some(7), 3.0));
        for (cause, class) in [
            (Cause::Stop, EndClass::Stopped),
            (Cause::Deadline(1.0), EndClass::Timeout),
            (Cause::Stall(1.0), EndClass::Stalled),
            (Cause::Output(1), EndClass::Output),
        ] {
            let exit = exit(Some(cause));
            assert!(was_to_end(&exit));
            for outcome in [None, Some(&Outcome::exited(0))] {
                let end = end(Some(&exit), outcome).unwrap();
                assert_eq!(end.class, class);
                assert_eq!(end.exit_code, outcome.and_then(|outcome| outcome.code));
            }
        }
    }

    #[test]
    fn a_driver_that_could_not_be_run_is_no_fault_of_the_commands() {
        let exit = exit(Some(Cause::NotRunnable("no such program".into())));
        assert_eq!(end(Some(&exit), None).unwrap().class, EndClass::Infra);
        assert!(!was_to_end(&exit));
    }

    #[test]
    fn without_a_word_of_either_the_runner_has_to_be_looked_for() {
        assert_eq!(end(None, None), None);
        assert_eq!(end(Some(&exit(None)), None), None);
        let lost = without_a_word(&Exit {
            signal: Some(9),
            ..exit(None)
        });
        assert_eq!(lost.class, EndClass::Lost);
        assert!(
            lost.reason
                .is_some_and(|reason| reason.contains("signal 9"))
        );
    }

    #[test]
    fn want_of_memory_and_the_engines_own_word_have_their_classes() {
        let short = Outcome {
            out_of_memory: Some(64 << 20),
            seconds: Some(2.5),
            ..Outcome::exited(137)
        };
        let end = short.end(9.0);
        assert_eq!((end.class, end.seconds), (EndClass::Oom, 2.5));
        assert!(end.reason.is_some_and(|reason| reason.contains("64 MiB")));
        let refused = Outcome::of(EndClass::Infra, "no daemon").end(0.0);
        assert_eq!(refused.class, EndClass::Infra);
        assert_eq!(refused.reason.as_deref(), Some("no daemon"));
    }
}
