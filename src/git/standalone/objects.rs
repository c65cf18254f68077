//! The objects of a slot that stands alone: shared with the pool when it goes out, and brought into
//! the pool, as far as they are new, when it comes home.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;

use super::has_ending;
use crate::domain::{Error, Result};
use crate::git::ref_files::is_real_dir;
use crate::git::{Git, Oid, is_oid, objects, salvage};
use crate::sys::fs;

/// The files that make up a pack; the one that makes it known comes last.
const PACK: [&str; 5] = ["pack", "rev", "promisor", "mtimes", "idx"];

/// How often sharing is tried: somebody's repacking may replace packs meanwhile.
const TRIES: u32 = 3;

/// Lets the repository at `to` have all objects of that at `from`. Objects and packs are never
/// written to again, so both can have the same files: what one of them deletes the other still has.
/// Where there are no hard links, the objects are borrowed instead.
pub fn share(from: &Path, to: &Path) -> Result<()> {
    let mut tries = 1;
    loop {
        for dir in ["info", "pack"] {
            fs::create_private_dir_all(&to.join(dir))?;
        }
        match link_all(from, to) {
            Err(Error::Io { source, .. })
                if source.kind() == ErrorKind::NotFound && tries < TRIES =>
            {
                tries += 1;
            }
            Err(Error::Io { source, .. }) if is_no_link(&source) => return borrow(from, to),
            other => return other,
        }
    }
}

/// Whether the file system can't have another name for a file.
fn is_no_link(error: &std::io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    let kinds = [CrossesDevices, PermissionDenied, TooManyLinks, Unsupported];
    kinds.contains(&error.kind())
}

fn borrow(from: &Path, to: &Path) -> Result<()> {
    let mut line = from.as_os_str().to_owned();
    line.push("\n");
    let file = to.join("info/alternates");
    fs::write_atomic(&file, line.as_encoded_bytes(), fs::Durability::RenameOnly)
}

fn link_all(from: &Path, to: &Path) -> Result<()> {
    for dir in directories(from)? {
        let mut names = fs::list_dir_if_there(&from.join(&dir))?.unwrap_or_default();
        names.retain(|name| is_object(&dir, name) || (dir == "pack" && is_of_a_pack(name)));
        if names.is_empty() {
            continue;
        }
        let there = to.join(&dir);
        fs::create_private_dir_all(&there)?;
        names.sort_by_key(|name| has_ending(name, &["idx"]));
        for name in names {
            link(&from.join(&dir).join(&name), &there.join(&name))?;
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Lets the objects at `to` be those of `new` where they are the same files as those of `old`.
pub fn exchange(old: &Path, new: &Path, to: &Path) -> Result<()> {
    let mut shared = Vec::new();
    for dir in directories(to)? {
        for name in fs::list_dir_if_there(&to.join(&dir))?.unwrap_or_default() {
            let place = Path::new(&dir).join(name);
            if is_same_file(&old.join(&place), &to.join(&place))? {
                shared.push(place);
            }
        }
    }
    // What is needed is there before anything goes; under a name that both have, at once.
    for place in &shared {
        let aside = fs::temporary_beside(&to.join(place));
        match fs::hard_link(&new.join(place), &aside) {
            Ok(()) => fs::rename(&aside, &to.join(place))?,
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
    }
    share(new, to)?;
    for place in &shared {
        if is_same_file(&old.join(place), &to.join(place))? {
            fs::remove_file_if_there(&to.join(place))?;
        }
    }
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let of = |path: &Path| -> Result<Option<(u64, u64)>> {
        let metadata = fs::metadata_if_there(path)?.filter(|metadata| metadata.is_file());
        Ok(metadata.map(|metadata| (metadata.dev(), metadata.ino())))
    };
    let one = of(one)?;
    Ok(one.is_some() && one == of(other)?)
}

/// Lets the files of git-lfs in one repository be in another too: they are named after their contents.
pub fn share_lfs(from: &Path, to: &Path) -> Result<()> {
    let mut dirs = vec![Path::new("lfs/objects").to_owned()];
    while let Some(dir) = dirs.pop() {
        if !is_real_dir(&from.join(&dir))? {
            continue;
        }
        for name in fs::list_dir_if_there(&from.join(&dir))?.unwrap_or_default() {
            let place = dir.join(name);
            let kind = fs::metadata_if_there(&from.join(&place))?;
            if kind.as_ref().is_some_and(|kind| kind.is_dir()) {
                dirs.push(place);
            } else if kind.is_some_and(|kind| kind.is_file())
                && fs::metadata_if_there(&to.join(&place))?.is_none()
            {
                fs::create_private_dir_all(&to.join(&dir))?;
                link_or_copy(&from.join(&place), &to.join(&place))?;
            }
        }
    }
    Ok(())
}

/// The same file under another name, or a copy with its time.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match link(from, to) {
        Err(Error::Io { source, .. }) if is_no_link(&source) => fs::copy_with_time(from, to),
        other => other,
    }
}

/// `pack` and the directories of loose objects.
fn directories(objects: &Path) -> Result<Vec<OsString>> {
    if !is_real_dir(objects)? {
        return Ok(Vec::new());
    }
    let mut names = fs::list_dir_if_there(objects)?.unwrap_or_default();
    names.retain(|name| {
        let hex = name.as_encoded_bytes();
        name == "pack" || (hex.len() == 2 && hex.iter().all(u8::is_ascii_hexdigit))
    });
    let mut found = Vec::new();
    for name in names {
        if is_real_dir(&objects.join(&name))? {
            found.push(name);
        }
    }
    Ok(found)
}

fn is_of_a_pack(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"pack-") && has_ending(name, &PACK)
}

fn is_object(dir: &OsStr, name: &OsStr) -> bool {
    object(dir, name).is_some()
}

/// The id of the loose object in a file of that name.
fn object(dir: &OsStr, name: &OsStr) -> Option<Oid> {
    let oid = format!("{}{}", dir.to_str()?, name.to_str()?);
    is_oid(&oid).then_some(oid)
}

/// Brings every object that was made or fetched at `from` into the pool's repository. What is brought
/// is named after its contents, so nothing comes under a name that is not its own; what can't be read
/// stays behind.
pub fn bring(git: &Git, from: &Path, common: &Path) -> Result<()> {
    let ours = common.join("objects");
    let mut new = BTreeSet::new();
    for dir in directories(from)? {
        let known: BTreeSet<OsString> = fs::list_dir_if_there(&ours.join(&dir))?
            .unwrap_or_default()
            .into_iter()
            .collect();
        let mut names = fs::list_dir_if_there(&from.join(&dir))?.unwrap_or_default();
        names.retain(|name| !known.contains(name));
        for name in names {
            let file = from.join(&dir).join(&name);
            if !fs::metadata_if_there(&file)?.is_some_and(|file| file.is_file()) {
                continue;
            }
            match object(&dir, &name) {
                Some(oid) => drop(new.insert(oid)),
                None if is_of_a_pack(&name) && has_ending(&name, &["idx"]) => {
                    new.extend(in_pack(git, common, &file)?);
                }
                None => {}
            }
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    let asked: String = new.iter().map(|oid| format!("{oid}\n")).collect();
    let lacking = objects::missing(git, common, asked.into_bytes())?;
    salvage::pack(git, from, common, &lacking, &mut 0)
}

/// The objects of a pack, as its index tells; none if that is damaged.
fn in_pack(git: &Git, common: &Path, index: &Path) -> Result<Vec<Oid>> {
    let shown = git
        .repository(common)
        .stdin_from(index)?
        .args(["show-index"])
        .run_allowing(&[1, 128], "read the index of a pack", &mut |_| ())?;
    let text = shown.text();
    let oids = text.lines().filter_map(|line| line.split(' ').nth(1));
    Ok(oids.filter(|oid| is_oid(oid)).map(str::to_owned).collect())
}
