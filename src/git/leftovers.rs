//! What killed git processes leave in the shared repository.

use std::path::{Path, PathBuf};

use crate::domain::Result;
use crate::sys::fs;

/// What a killed fetch, and a command that was saving work, writes into the `.keep` of its pack;
/// others' are theirs.
const KEPT: [&[u8]; 3] = [b"fetch-pack ", b"receive-pack ", b"repo-pool\n"];

/// What killed git processes left in a repository.
#[derive(Debug, Clone, Default)]
pub struct Leftovers {
    /// Lock files: of refs, packed-refs, config, gc.
    pub locks: Vec<PathBuf>,
    /// Packs and objects that were being written.
    pub temporary: Vec<PathBuf>,
}

/// Finds what killed git processes left. To be believed only while no git works there.
pub fn leftovers(repository: &Path) -> Result<Leftovers> {
    let mut found = Leftovers::default();
    for name in names(repository)? {
        if name.ends_with(".lock") || name == "gc.pid" || name == "packed-refs.new" {
            found.locks.push(repository.join(name));
        }
    }
    locks_below(&repository.join("refs"), &mut found.locks)?;
    let objects = repository.join("objects");
    locks_below(&objects.join("info"), &mut found.locks)?;
    for name in names(&objects)? {
        let path = objects.join(&name);
        if is_temporary(&name) {
            found.temporary.push(path);
        } else if name.len() == 2 {
            let inside = names(&path)?.into_iter().filter(|name| is_temporary(name));
            found.temporary.extend(inside.map(|name| path.join(name)));
        }
    }
    let pack = objects.join("pack");
    for name in names(&pack)? {
        let path = pack.join(&name);
        if name.ends_with(".lock") {
            found.locks.push(path);
        } else if is_temporary(&name) || (name.ends_with(".keep") && is_of_a_fetch(&path)?) {
            found.temporary.push(path);
        }
    }
    Ok(found)
}

fn names(dir: &Path) -> Result<Vec<String>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let names = fs::list_dir_if_there(dir)?.unwrap_or_default();
    // What git makes has plain names.
    Ok(names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect())
}

/// Objects, packs and quarantine directories under way, of git's or of a command that saves work.
fn is_temporary(name: &str) -> bool {
    name.starts_with("tmp_")
        || name.starts_with(".tmp-")
        || name.starts_with("incoming-")
        || fs::is_temporary_name(name.as_ref())
}

fn is_of_a_fetch(path: &Path) -> Result<bool> {
    let text = fs::read_limited(path, 4096).unwrap_or_default();
    Ok(KEPT.iter().any(|begin| text.starts_with(begin)))
}

fn locks_below(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for name in names(dir)? {
        let path = dir.join(&name);
        if name.ends_with(".lock") {
            found.push(path);
        } else if path.is_dir() && !fs::is_symlink(&path)? {
            locks_below(&path, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_under_way_is_temporary() {
        for name in [
            "tmp_obj_x1",
            "tmp_pack_y",
            "tmp_objdir-incoming-z",
            ".tmp-1-pack-a",
        ] {
            assert!(is_temporary(name), "{name}");
        }
        for name in ["pack-1.pack", "info", "ab"] {
            assert!(!is_temporary(name), "{name}");
        }
    }
}
