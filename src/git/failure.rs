//! What is told of a git that has failed.

use std::process::ExitStatus;
use std::time::Duration;

use crate::domain::{Error, GitFailure};
use crate::sys::process::{Ended, Finished};

/// How much of git's output an error keeps, in bytes.
const WORDS_KEPT: usize = 8 * 1024;

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What is told of a git that failed, without the secrets that were in its address.
pub fn failure(context: &str, command: String, secrets: &[String], finished: &Finished) -> Error {
    let clean = |bytes: &[u8]| {
        let mut text = String::from_utf8_lossy(tail(bytes)).trim().to_owned();
        for secret in secrets {
            let blotted = if secret.ends_with('@') { "" } else { "***" };
            text = text.replace(secret.as_str(), blotted);
        }
        text
    };
    let ended = match &finished.ended {
        Some(Ended::Deadline(after)) => Some(format!("ended after {} s", seconds(*after))),
        Some(Ended::Silence(after)) => Some(format!("no progress for {} s", seconds(*after))),
        _ => None,
    };
    Error::Git {
        context: format!("{context}: {}", why(&finished.status, ended.as_deref())),
        failure: Box::new(GitFailure {
            command,
            exit_code: finished.status.code(),
            stdout: clean(&finished.stdout),
            stderr: clean(&finished.stderr),
            duration: finished.duration,
            ended,
            hint: None,
        }),
    }
}

fn why(status: &ExitStatus, ended: Option<&str>) -> String {
    match (ended, status.code()) {
        (Some(_), _) => "git was ended".to_owned(),
        (None, Some(code)) => format!("git failed (exit code {code})"),
        (None, None) => "git was ended by a signal".to_owned(),
    }
}

fn tail(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(WORDS_KEPT)..]
}
