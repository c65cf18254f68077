//! Ends of attempts that no runner tells.

use crate::domain::Error;
use crate::domain::dispatch::{End, EndClass};

/// Why an attempt has not begun that was to be ended meanwhile.
pub const CALLED_OFF: &str = "it was to be ended before it had started";

/// What it means that something could not be done for an attempt. A full disk is no failure of the
/// task's: all others would fail for it as well.
pub fn broken(error: &Error) -> EndClass {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match error {
        Error::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded) => {
            EndClass::TryLater
        }
        _ => EndClass::Infra,
    }
}

/// An end without a runner.
pub fn failed(class: EndClass, error: &Error) -> End {
    End {
        class,
        exit_code: None,
        signal: None,
        reason: Some(error.reason()),
        seconds: 0.0,
    }
}

/// Such an attempt does not count.
pub fn not_started(reason: &str) -> End {
    End {
        class: EndClass::Stopped,
        exit_code: None,
        signal: None,
        reason: Some(reason.to_owned()),
        seconds: 0.0,
    }
}

/// Nothing is known of its end.
pub fn lost() -> End {
    End {
        class: EndClass::Lost,
        exit_code: None,
        signal: None,
        reason: Some("it is gone without a trace of its end".to_owned()),
        seconds: 0.0,
    }
}
