//! Processes of this program that only look: those of `status`, and of a `recover` that changes
//! nothing.
//!
//! They take no lock, so a release or a hand-out may go on beside them, and neither they nor the
//! gits that they start may be taken for somebody who works in the slot. They are known by the name
//! of the process, which the kernel shows to everybody. It stays to the end: who has seen what such a
//! process has open, and asks for its name only then, is told the same.

use super::procfs::Stat;

/// How a process that only looks is called; the kernel keeps 15 bytes.
const NAME: &str = "repo-pool looks";

/// The name of this process, that of its first thread.
const OWN: &str = "/proc/self/comm";

/// Parents are followed so far: a filter of git's has git's git and ours above it.
const GENERATIONS: usize = 8;

/// From now on this process only looks: it and its children read, and write nothing. Where the name
/// can't be changed, it is taken for somebody who is inside, as everybody else is.
pub fn begin() {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is a name in the kernel, not a file"
    )]
    let _ = std::fs::write(OWN, NAME);
}

/// Whether a process only looks, or was started by one that does.
pub(super) fn is_by_one(process: &Stat) -> bool {
    let parents = std::iter::successors(Some(process.clone()), |stat| Stat::of(stat.parent));
    parents
        .take(GENERATIONS)
        .any(|process| process.name == NAME)
}
