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

use rustix::process::Signal;
use signal_hook::SigId;

use super::procfs;

/// The signals by which people and supervisors ask a process to end.
pub const USUAL: &[Signal] = &[Signal::INT, Signal::TERM, Signal::HUP];

/// The others that end a process unless it says otherwise. Not among them: those that can't be
/// caught, those of a fault in the process itself, and that of a file which is too large.
const UNUSUAL: &[Signal] = &[
    Signal::QUIT,
    Signal::TRAP,
    Signal::ABORT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::STKFLT,
    Signal::XCPU,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
    Signal::SYS,
];

/// The signals without names, which end a process too. The C library keeps the two before them.
pub(super) const REALTIME: std::ops::RangeInclusive<i32> = 34..=64;

/// What a command in the foreground is told of besides: that it may go on, is to stop, or that its
/// terminal has changed its size.
const JOB_CONTROL: &[Signal] = &[Signal::CONT, Signal::TSTP, Signal::WINCH];

/// The number of the signal noted last; 0 for none.
static NOTED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// The reading end of the self-pipe.
static WAKE: OnceLock<UnixStream> = OnceLock::new();

thread_local! {
    /// How many shields are up in this thread.
    static SHIELDS: Cell<u32> = const { Cell::new(0) };
}

/// Every signal that ends a process unless it says otherwise, as far as one can be caught.
pub fn all() -> Vec<i32> {
    let named = USUAL.iter().chain(UNUSUAL).map(|signal| signal.as_raw());
    named.chain(REALTIME).collect()
}

/// Notes these signals from now on. To be called once, before anything is begun; a second call does
/// nothing.
pub fn install(signals: &[i32]) -> io::Result<()> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    if WAKE.set(read).is_err() {
        return Ok(());
    }
    for signal in heeded(signals) {
        // In this order: who is woken finds the number.
        signal_hook::flag::register_usize(signal, Arc::clone(&NOTED), signal as usize)?;
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    hear_of_children()
}

/// A caller that ignores its children's ends leaves that to whatever it starts. The system would then
/// take leave of ours before anybody has asked how they ended.
fn hear_of_children() -> io::Result<()> {
    let child = Signal::CHILD.as_raw();
    if heeded(&[child]).is_empty() {
        signal_hook::flag::register(child, Arc::default())?;
    }
    Ok(())
}

/// Those of [`USUAL`].
pub fn usual() -> Vec<i32> {
    USUAL.iter().map(|signal| signal.as_raw()).collect()
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

/// What a thread that works for this one begins with: a shield if one is up here.
pub(super) fn shield_of_helpers() -> impl Fn() -> Option<Shield> + Copy + Send {
    let up = shielded();
    move || up.then(shield)
}

impl Drop for Shield {
    fn drop(&mut self) {
        SHIELDS.set(SHIELDS.get().saturating_sub(1));
    }
}

fn shielded() -> bool {
    SHIELDS.get() > 0
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// Its number.
    pub number: i32,
    /// Whether the kernel sent it, as it does for the keys of a terminal: then it has sent it to the
    /// whole group.
    pub by_kernel: bool,
}

/// Collects the signals that a command in the foreground is to be told of, and wakes who waits for
/// the command itself.
#[derive(Debug)]
pub(super) struct Relay {
    pipe: UnixStream,
    write: Arc<UnixStream>,
    actions: Vec<SigId>,
}

impl Relay {
    /// Collects from now on, until it is dropped.
    pub(super) fn start() -> io::Result<Self> {
        let control = JOB_CONTROL.iter().map(|signal| signal.as_raw());
        let signals: Vec<i32> = all().into_iter().chain(control).collect();
        let mut relay = Self::of(&signals)?;
        // Whoever ignores the ends of its children is not told of them.
        relay.add(&[Signal::CHILD.as_raw()])?;
        Ok(relay)
    }

    /// Collects those of `signals` that are not ignored.
    pub(super) fn of(signals: &[i32]) -> io::Result<Self> {
        Self::of_all(&heeded(signals))
    }

    /// Collects `signals`, whether they are ignored or not.
    pub(super) fn of_all(signals: &[i32]) -> io::Result<Self> {
        let (pipe, write) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let mut relay = Self {
            pipe,
            write: Arc::new(write),
            actions: Vec::new(),
        };
        relay.add(signals)?;
        Ok(relay)
    }

    fn add(&mut self, signals: &[i32]) -> io::Result<()> {
        for &signal in signals {
            let action = collect(signal, Arc::clone(&self.write))?;
            self.actions.push(action);
        }
        Ok(())
    }

    /// Is readable when there is something to take.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// The signals that came since the last call.
    pub(super) fn take(&mut self) -> Vec<Came> {
        let mut told = Vec::new();
        let mut buffer = [0; 64];
        while let Ok(length @ 1..) = self.pipe.read(&mut buffer) {
            told.extend_from_slice(&buffer[..length]);
        }
        let came = told.chunks_exact(2).map(|pair| Came {
            number: i32::from(pair[0]),
            by_kernel: pair[1] != 0,
        });
        came.filter(|came| came.number != Signal::CHILD.as_raw())
            .collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for action in self.actions.drain(..) {
            signal_hook::low_level::unregister(action);
        }
    }
}

/// Has the number of each signal that comes written to `pipe`, and who sent it.
fn collect(signal: i32, pipe: Arc<UnixStream>) -> io::Result<SigId> {
    #[expect(
        unsafe_code,
        reason = "all that is done while a signal is handled is one system call"
    )]
    unsafe {
        signal_hook_registry::register_sigaction(signal, move |info| {
            let told = [signal as u8, u8::from(info.si_code > 0)];
            // What does not fit any more is a signal too many.
            let _ = rustix::io::write(&*pipe, &told);
        })
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
        let helps = super::super::threads::share(3, shielded);
        assert_eq!(helps, [true; 3], "threads that help have it too");
        assert_eq!(received(), None);
        drop(outer);
    }
}
