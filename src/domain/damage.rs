//! Damage to the objects that all slots share, recognised by git's own words (in the C locale).

use super::{Error, GitFailure};

/// What git says of objects that are missing or damaged, whatever it was asked to do. What it says
/// of a HEAD that names nothing is not among it: that is one slot's damage.
const DAMAGE: [&str; 18] = [
    "loose object",
    "packed object",
    "object corrupt or missing",
    "object file ",
    "inflate: ",
    "unable to unpack",
    "packfile ",
    "unable to read tree (",
    "unable to read sha1 file",
    "failed to read delta",
    "missing blob",
    "missing tree",
    "missing object",
    "missing commit",
    "invalid object ",
    "bad object ",
    "not a git repository: ",
    "mmap failed: no such device",
];

/// The same where an object's name follows.
const DAMAGE_OF: [&str; 3] = ["could not read ", "unable to read ", "bad tree object "];

/// What is one slot's damage, not everybody's.
const ONE_SLOTS: [&str; 2] = ["bad object head", "worktrees/"];

/// Whether git failed because objects of the repository are missing or damaged.
pub fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Git { failure, .. } if is_told_by(failure))
}

/// The same for a command of git's.
pub fn is_told_by(failure: &GitFailure) -> bool {
    failure.ended.is_none() && tell_of_damage(&failure.stderr)
}

/// Whether these words of git's are about objects that are missing or damaged.
pub fn tell_of_damage(words: &str) -> bool {
    first_line(words).is_some()
}

/// The first line that is about objects that are missing or damaged.
pub fn first_line(words: &str) -> Option<&str> {
    let names_one = |line: &str, part: &str| {
        line.split_once(part).is_some_and(|(_, rest)| {
            let name = rest.split(' ').next().unwrap_or_default();
            matches!(name.len(), 40 | 64) && name.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    words.lines().find(|line| {
        let line = line.to_lowercase();
        let shared = !ONE_SLOTS.iter().any(|part| line.contains(part));
        shared && DAMAGE.iter().any(|part| line.contains(part))
            || DAMAGE_OF.iter().any(|part| names_one(&line, part))
    })
}

/// What puts damaged objects right.
pub fn remedy(pool: &str) -> String {
    format!(
        "`repo-pool recover {pool} --force` makes the pool's repository anew from the remote and keeps \
         what can be read of the work"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_a_head_that_names_nothing_and_from_a_silent_remote() {
        for words in [
            "error: object file .git/objects/77/x is empty\nfatal: loose object x is corrupt",
            "error: inflate: data stream error (incorrect header check)",
            "error: packfile ./objects/pack/pack-x.pack does not match index",
            "fatal: unable to read tree (x)",
            "fatal: missing blob object 'x'",
            "error: Could not read 23468ab7128e336640e54fb6f7a9db4c505c663b",
            "fatal: bad tree object 23468ab7128e336640e54fb6f7a9db4c505c663b",
            "fatal: bad object refs/heads/main",
            "fatal: bad object origin/release/1.0",
        ] {
            assert!(tell_of_damage(words), "{words}");
        }
        for words in [
            "fatal: bad object HEAD",
            "fatal: bad object worktrees/slot1/HEAD",
            "fatal: failed to unpack tree object HEAD",
            "fatal: Could not read from remote repository.",
            "error: bad tree object HEAD",
            "fatal: could not read Username",
            "fatal: index file corrupt",
            "fatal: bad config line 1 in file config",
        ] {
            assert!(!tell_of_damage(words), "{words}");
        }
    }
}
