//! Signals that ask this process to end, and the forwarding of others to a command in the
//! foreground.
//!
//! A signal is only noted; whoever waits is woken, and finishes or undoes what is under way. A
//! signal that was ignored when this process started (`nohup`, a background job) stays ignored.

use std::cell::Cell;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::procfs;

/// The number of the signal noted last; 0 for none.
static NOTED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// The reading end of the self-pipe.
static WAKE: OnceLock<UnixStream> = OnceLock::new();

thread_local! {
    /// How many shields are up in this thread.
    static SHIELDS: Cell<u32> = const { Cell::new(0) };
}

/// Notes SIGINT, SIGTERM and SIGHUP from now on. To be called once, before anything is begun; a
/// second call does nothing.
pub fn install() -> io::Result<()> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    if WAKE.set(read).is_err() {
        return Ok(());
    }
    for signal in heeded(&[SIGINT, SIGTERM, SIGHUP]) {
        // In this order: who is woken finds the number.
        signal_hook::flag::register_usize(signal, Arc::clone(&NOTED), signal as usize)?;
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(())
}

/// The termination signal that came, if one did and no shield is up in this thread.
pub fn received() -> Option<i32> {
    if shielded() {
        return None;
    }
    i32::try_from(NOTED.load(Ordering::SeqCst))
        .ok()
        .filter(|&signal| signal != 0)
}

/// Becomes readable, and stays so, once a termination signal came. None before [`install`] and
/// while a shield is up in this thread. Ask [`received`] before each wait.
pub fn wake_fd() -> Option<BorrowedFd<'static>> {
    if shielded() {
        return None;
    }
    WAKE.get().map(AsFd::as_fd)
}

/// Forgets what was noted: it has been answered.
pub fn acknowledge() {
    // In this order a signal that comes in between is still seen by `received`.
    NOTED.store(0, Ordering::SeqCst);
    if let Some(mut wake) = WAKE.get() {
        let mut buffer = [0; 64];
        while wake.read(&mut buffer).is_ok_and(|n| n > 0) {}
    }
}

/// While it lives, this thread is not interrupted by termination signals: for work that undoes
/// things and must go on. What came is seen again afterwards.
#[derive(Debug)]
#[must_use = "the shield is down as soon as this is dropped"]
pub struct Shield {
    // A shield belongs to the thread that raised it.
    _not_send: std::marker::PhantomData<*const ()>,
}

/// Raises a shield for this thread. Shields may nest.
pub fn shield() -> Shield {
    SHIELDS.set(SHIELDS.get() + 1);
    Shield {
        _not_send: std::marker::PhantomData,
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        SHIELDS.set(SHIELDS.get().saturating_sub(1));
    }
}

fn shielded() -> bool {
    SHIELDS.get() > 0
}

/// Collects the signals that a command in the foreground is to be told of.
#[derive(Debug)]
pub(super) struct Relay(SignalDelivery<UnixStream, SignalOnly>);

impl Relay {
    /// Collects from now on, until it is dropped.
    pub(super) fn start() -> io::Result<Self> {
        Self::of(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
    }

    /// Collects those of `signals` that are not ignored.
    pub(super) fn of(signals: &[i32]) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        SignalDelivery::with_pipe(read, write, SignalOnly, heeded(signals)).map(Self)
    }

    /// Is readable when there is something to take.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }

    /// The signals that came since the last call.
    pub(super) fn take(&mut self) -> Vec<i32> {
        self.0.pending().collect()
    }
}

/// Those of `signals` that this process does not ignore.
fn heeded(signals: &[i32]) -> Vec<i32> {
    let ignored = procfs::read("/proc/self/status")
        .ok()
        .and_then(|status| ignored_mask(&String::from_utf8_lossy(&status)))
        .unwrap_or(0);
    signals
        .iter()
        .copied()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect()
}

/// The mask of ignored signals in the text of `/proc/PID/status`.
fn ignored_mask(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_mask(status), Some(0x1001));
        assert_eq!(ignored_mask("Name:\tx\n"), None);
    }

    #[test]
    fn a_shield_hides_the_wake_descriptor_and_shields_nest() {
        let outer = shield();
        let inner = shield();
        assert!(wake_fd().is_none());
        drop(inner);
        assert!(wake_fd().is_none());
        assert_eq!(received(), None);
        drop(outer);
    }
}
