//! Crash points: a test has this process killed just before its n-th effect, for every n.
//!
//! Every function of this layer that changes something outside the process names the change here
//! before it makes it, so what can be interrupted is covered by construction. A kill between two
//! effects is the same to everybody else as one just before the second. A process that is left to
//! itself counts its own effects, by a variable of its own. Builds without debug assertions
//! (`--release`) have none of this.

#[cfg(debug_assertions)]
use rustix::process::Signal;

/// The variable that says before which effect, counted from 1, the process is killed; with `stop:`
/// before the number it is stopped there.
#[cfg(debug_assertions)]
const VARIABLE: &str = "REPO_POOL_CRASH_AT";

/// The same for the processes that this one leaves to themselves.
#[cfg(debug_assertions)]
const FOR_DETACHED: &str = "REPO_POOL_CRASH_DETACHED_AT";

/// `what` is about to be done to `to`. If it is the effect that was chosen, this says so on stderr
/// and kills the process.
#[cfg(debug_assertions)]
pub fn point(what: &str, to: impl AsRef<std::path::Path>) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: LazyLock<Option<(Signal, u64)>> = LazyLock::new(chosen);
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let Some((signal, chosen)) = *CHOSEN else {
        return;
    };
    let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if number == chosen {
        let text = format!(
            "crash point {number}: {what} {}\n",
            to.as_ref().to_string_lossy().escape_debug()
        );
        let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_what: &str, _to: impl AsRef<std::path::Path>) {}

/// What a process that is to be left to itself has in its environment instead of this one's choice.
#[cfg(debug_assertions)]
pub(super) fn for_detached() -> [(&'static str, Option<String>); 2] {
    [(VARIABLE, variable(FOR_DETACHED)), (FOR_DETACHED, None)]
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(super) fn for_detached() -> [(&'static str, Option<String>); 0] {
    []
}

#[cfg(debug_assertions)]
fn chosen() -> Option<(Signal, u64)> {
    let value = variable(VARIABLE)?;
    match value.strip_prefix("stop:") {
        Some(number) => Some((Signal::STOP, number.parse().ok()?)),
        None => Some((Signal::KILL, value.parse().ok()?)),
    }
}

#[cfg(debug_assertions)]
#[expect(
    clippy::disallowed_methods,
    reason = "no setting of the program's: it exists in test builds only"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
