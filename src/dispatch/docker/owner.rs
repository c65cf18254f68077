//! What a container's root has made belongs to root outside too: it is given to whom the slot belongs.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::words::Caller;
use crate::domain::Result;
use crate::sys::ownership;

/// The first word of the command line of who gives it back, inside of a container.
pub const WORD: &str = "dispatch-owner";

/// Whether the word is that of such a process.
pub fn is_owner(word: Option<&OsStr>) -> bool {
    word == Some(OsStr::new(WORD))
}

/// Takes everything in these places that belongs to somebody else. `as_root` does that for the places
/// that need it, where this user may not.
pub fn take(
    places: &[PathBuf],
    caller: Caller,
    as_root: &dyn Fn(&[PathBuf]) -> Result<()>,
) -> Result<()> {
    let mut foreign = Vec::new();
    for place in places {
        if ownership::has_foreign(place, caller.uid)? {
            foreign.push(place.clone());
        }
    }
    match (foreign.is_empty(), caller.uid) {
        (true, _) => Ok(()),
        (false, 0) => give(&foreign, caller),
        (false, _) => as_root(&foreign),
    }
}

fn give(places: &[PathBuf], caller: Caller) -> Result<()> {
    places
        .iter()
        .try_for_each(|place| ownership::give(place, caller.uid, caller.gid))
}

/// The life of that process: its words are the user, the group, and the places. True if it is done.
pub fn run(words: &[OsString]) -> bool {
    let [uid, gid, places @ ..] = words else {
        return false;
    };
    let number = |word: &OsString| word.to_str().and_then(|word| word.parse().ok());
    let (Some(uid), Some(gid)) = (number(uid), number(gid)) else {
        return false;
    };
    let places: Vec<PathBuf> = places.iter().map(PathBuf::from).collect();
    give(&places, Caller { uid, gid }).is_ok()
}
