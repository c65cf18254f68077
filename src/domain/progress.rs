//! How long operations say what they are at.
//!
//! The layers that work call these traits; what becomes of it (bars, lines, nothing) is decided by
//! whoever implements them. Nothing here may fail or block the work.

/// A thing that takes long enough to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The pool of this name is being cloned.
    Clone(&'a str),
    /// The pool of this name is being fetched.
    Fetch(&'a str),
    /// The slot of this id or name is being made.
    Slot(&'a str),
    /// The set-up command runs in the slot of this id.
    SetUp(&'a str),
}

/// Watches an operation; shared by all threads that work on it.
pub trait Observer: Sync {
    /// A step begins. It ends with [`StepObserver::done`], or without success when it is dropped.
    fn begin(&self, what: Step<'_>) -> Box<dyn StepObserver + '_>;
    /// Something worth saying that is not wrong.
    fn note(&self, text: &str);
    /// Something that is not as it should be, but does not stop the operation.
    fn warn(&self, text: &str);
}

/// Watches one step; used by the one thread that takes it.
pub trait StepObserver: Send {
    /// Bytes that git wrote to stderr, in chunks of any size.
    fn git_progress(&mut self, bytes: &[u8]);
    /// The step succeeded.
    fn done(&mut self);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _what: Step<'_>) -> Box<dyn StepObserver + '_> {
        Box::new(Self)
    }

    fn note(&self, _text: &str) {}

    fn warn(&self, _text: &str) {}
}

impl StepObserver for Silent {
    fn git_progress(&mut self, _bytes: &[u8]) {}

    fn done(&mut self) {}
}
