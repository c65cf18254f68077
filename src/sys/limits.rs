//! Limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows this process as many open files as it may have at all: a lock is one per slot. Children
/// that are started later inherit it.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If it can't be raised, running out of them says so.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}
