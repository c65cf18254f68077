//! Whose the files of a tree are.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};

use crate::domain::{Error, Result};

/// Whether anything in a tree belongs to somebody else than `uid`.
pub fn has_foreign(place: &Path, uid: u32) -> Result<bool> {
    let mut found = false;
    each(place, &mut |_, owner| {
        found = owner != uid;
        Ok(!found)
    })?;
    Ok(found)
}

/// Gives everything in a tree that belongs to somebody else to `uid` and `gid`.
pub fn give(place: &Path, uid: u32, gid: u32) -> Result<()> {
    each(place, &mut |path, owner| {
        if owner != uid {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| Error::io("change the owner of", path, e.into()))?;
        }
        Ok(true)
    })
}

/// Tells each path of a tree and its owner, a directory before what is in it; no link is followed. False
/// ends it. What vanishes meanwhile is passed over.
fn each(place: &Path, tell: &mut dyn FnMut(&Path, u32) -> Result<bool>) -> Result<()> {
    let mut left: Vec<PathBuf> = vec![place.to_owned()];
    while let Some(path) = left.pop() {
        let failed = |e| Error::io("look at", &path, e);
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(e)),
        };
        if !tell(&path, metadata.uid())? {
            return Ok(());
        }
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(failed)? {
                left.push(entry.map_err(failed)?.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_somebody_else_is_found_in_the_depth() {
        let tree = tempfile::tempdir().unwrap();
        let uid = crate::sys::user::effective_uid();
        crate::sys::fs::create_private_dir_all(&tree.path().join("a/b")).unwrap();
        crate::sys::fs::symlink(Path::new("/"), &tree.path().join("a/link")).unwrap();
        assert!(!has_foreign(tree.path(), uid).unwrap());
        assert!(has_foreign(tree.path(), uid + 1).unwrap());
        assert!(!has_foreign(&tree.path().join("gone"), uid + 1).unwrap());
        if uid == 0 {
            give(tree.path(), 7, 7).unwrap();
            assert!(!has_foreign(tree.path(), 7).unwrap());
            assert_eq!(std::fs::symlink_metadata("/").unwrap().uid(), 0);
        }
    }
}
