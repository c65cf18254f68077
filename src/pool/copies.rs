//! The files of `copy`: taken from the pool's own folder `files/` into every slot.
//!
//! A copy that nobody has changed is nobody's work. Git is not told of it: it is taken out of what a
//! look has shown, removed before a slot is cleaned or moved, and put in again afterwards. One that was
//! changed is treated like any other file that is not tracked: saved if git does not ignore it, and
//! then it makes room for the original.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::{Pool, furnish, trash};
use crate::domain::furnished::{Copied, Name};
use crate::domain::{Error, Result};
use crate::git::status::Status;
use crate::git::{Oid, clean, exclude, kept};
use crate::sys::fs;
use crate::sys::seen::Seen;

/// A file or link to be copied.
#[derive(Debug)]
struct Original {
    place: PathBuf,
    stamp: String,
    /// Where it leads to, if it is a link.
    link: Option<PathBuf>,
}

/// By their paths in the slot.
type Originals = BTreeMap<PathBuf, Original>;

/// Makes sure that everything is there that is to be copied.
pub fn check(pool: &Pool<'_>) -> Result<()> {
    match pool.settings.copy.is_empty() {
        true => Ok(()),
        false => originals(pool).map(drop),
    }
}

/// What tells these originals from others: a few `lstat`s for each.
pub fn digest(pool: &Pool<'_>, digest: &mut DefaultHasher) {
    if pool.settings.copy.is_empty() {
        return;
    }
    pool.settings.copy.hash(digest);
    for (path, original) in originals(pool).ok().into_iter().flatten() {
        (path, original.stamp).hash(digest);
    }
}

/// What tells the originals at these paths, or below them, from others.
pub fn stamps(pool: &Pool<'_>, paths: &[String]) -> Result<Vec<String>> {
    if pool.settings.copy.is_empty() {
        return Ok(Vec::new());
    }
    let is_meant = |path: &Path| paths.iter().any(|meant| path.starts_with(meant));
    let all = originals(pool)?.into_iter();
    let meant = all.filter(|(path, _)| is_meant(path));
    Ok(meant.map(|(_, original)| original.stamp).collect())
}

/// Puts every file into the slot that it does not have as it is in `files/`, and takes out what is not
/// to be copied any more. The slot is clean at `commit`. Returns what was done.
pub fn put_in(pool: &Pool<'_>, number: u32, commit: &Oid) -> Result<Option<String>> {
    let mut known = furnish::read(pool, number);
    if pool.settings.copy.is_empty() && known.copies.is_empty() {
        return Ok(None);
    }
    exclude::bring(&pool.paths.repository(), &pool.settings.copy)?;
    let top = pool.worktree(number).path;
    let originals = originals(pool)?;
    let before = known.copies.clone();
    known.copies.retain(|copied| {
        let original = originals.get(copied.path.as_ref());
        let kept = original.is_some_and(|original| original.stamp == copied.source);
        kept && is_as_put(&top, copied)
    });
    let there: BTreeSet<&Path> = known.copies.iter().map(|c| c.path.as_ref()).collect();
    let missing: Vec<(&PathBuf, &Original)> = originals
        .iter()
        .filter(|(path, _)| !there.contains(path.as_path()))
        .collect();
    if missing.is_empty() && known.copies == before {
        return Ok(None);
    }
    untracked(pool, commit, &originals)?;
    for copied in &before {
        if !originals.contains_key(copied.path.as_ref()) && is_as_put(&top, copied) {
            remove(&top, copied.path.as_ref())?;
        }
    }
    let mut made = Vec::new();
    for (path, original) in missing {
        made.push(place(pool, number, &top, path, original)?);
    }
    let count = made.len();
    known.copies.extend(made);
    furnish::write(pool, number, &known)?;
    Ok(Some(format!(
        "copy {count} file{}",
        if count == 1 { "" } else { "s" }
    )))
}

/// Takes the copies out of the slot that are as they were put in, so that there is nothing in it but
/// what git knows. For one that was seen clean.
pub fn take_out(pool: &Pool<'_>, number: u32) -> Result<()> {
    if pool.settings.copy.is_empty() {
        return Ok(());
    }
    let top = pool.worktree(number).path;
    let known = furnish::read(pool, number);
    let mut unchanged = known.copies.iter().filter(|copied| is_as_put(&top, copied));
    unchanged.try_for_each(|copied| remove(&top, copied.path.as_ref()))
}

/// Sets the copies apart that nobody has changed, in what a look at the slot has shown.
pub fn set_apart(pool: &Pool<'_>, number: u32, seen: &mut Status) {
    let known = furnish::read(pool, number);
    if known.copies.is_empty() {
        return;
    }
    if pool.settings.copy.is_empty() {
        // What it brought goes now, and with it the reason to have it ignored.
        let _ = exclude::bring(&pool.paths.repository(), &[]);
    }
    let top = pool.worktree(number).path;
    let listed: BTreeSet<&PathBuf> = seen.untracked.iter().chain(&seen.ignored).collect();
    let is_listed = |path: &Path| {
        let mut above = path.ancestors().skip(1);
        // A directory ends in a slash, which paths do not compare by.
        listed.contains(&path.to_owned())
            || above.any(|dir| {
                seen.ignored
                    .iter()
                    .any(|path| path == dir && ends_in_slash(path))
            })
    };
    let is_unchanged = |copied: &&Copied| {
        let path = copied.path.as_ref();
        let original = pool.paths.files().join(path);
        is_as_put(&top, copied) || fs::are_equal(&top.join(path), &original)
    };
    let unchanged: BTreeSet<PathBuf> = known
        .copies
        .iter()
        .filter(|copied| is_listed(copied.path.as_ref()))
        .filter(is_unchanged)
        .map(|copied| copied.path.as_ref().to_owned())
        .collect();
    seen.untracked.retain(|path| !unchanged.contains(path));
    seen.ignored.retain(|path| match ends_in_slash(path) {
        true => !holds_only(&top, path, &unchanged),
        false => !unchanged.contains(path),
    });
    seen.furnished = unchanged.into_iter().collect();
}

/// Whether there is nothing in a directory of the tree but these files.
fn holds_only(top: &Path, dir: &Path, files: &BTreeSet<PathBuf>) -> bool {
    if !files.iter().any(|file| file.starts_with(dir)) {
        return false;
    }
    let names = fs::list_dir_if_there(&top.join(dir)).ok().flatten();
    names.is_some_and(|names| {
        names.iter().all(|name| {
            let path = dir.join(name);
            files.contains(&path) || holds_only(top, &path, files)
        })
    })
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

/// Whether nobody has touched the copy.
fn is_as_put(top: &Path, copied: &Copied) -> bool {
    stamp_of(&top.join(&copied.path)).as_ref() == Some(&copied.copy)
}

fn remove(top: &Path, path: &Path) -> Result<()> {
    let whole = top.join(path);
    fs::remove_file_if_there(&whole)?;
    fs::remove_empty_parents(top, &whole);
    Ok(())
}

fn stamp_of(path: &Path) -> Option<String> {
    Seen::of(path).ok().flatten().map(|seen| stamp(&seen))
}

fn stamp(seen: &Seen) -> String {
    let mut digest = DefaultHasher::new();
    seen.hash(&mut digest);
    format!("{:016x}", digest.finish())
}

/// Everything in `files/` that `copy` names.
fn originals(pool: &Pool<'_>) -> Result<Originals> {
    let files = pool.paths.files();
    let mut found = Originals::new();
    for written in &pool.settings.copy {
        let path = Path::new(written.trim_end_matches('/'));
        let parent = path.parent().unwrap_or(Path::new(""));
        if fs::metadata_if_there(&files.join(path))?.is_none() {
            fs::create_private_dir_all(&files)?;
            return Err(wrong(pool, path, "is not there", "put it there"));
        }
        if !fs::is_directory_below(&files, parent)? {
            let why = "lies behind a symbolic link, outside of the folder";
            return Err(wrong(pool, path, why, "put it there itself"));
        }
        collect(pool, path.to_owned(), &mut found)?;
    }
    Ok(found)
}

/// A file, or everything below a directory.
fn collect(pool: &Pool<'_>, path: PathBuf, found: &mut Originals) -> Result<()> {
    let files = pool.paths.files();
    let mut left = vec![path];
    while let Some(path) = left.pop() {
        let place = files.join(&path);
        let Some(metadata) = fs::metadata_if_there(&place)? else {
            continue;
        };
        if metadata.is_dir() {
            let names = fs::list_dir_if_there(&place)?.unwrap_or_default();
            if names.iter().any(|name| name.eq_ignore_ascii_case(".git")) {
                let why = "is a repository of its own";
                return Err(wrong(pool, &path, why, "take its .git away"));
            }
            left.extend(names.into_iter().map(|name| path.join(name)));
            continue;
        }
        let mut link = None;
        if metadata.is_symlink() {
            let target = fs::link_target(&place)?;
            if !stays_inside(&path, &target) {
                let why = "is a symbolic link that leads out of the folder";
                return Err(wrong(pool, &path, why, "put the file itself there"));
            }
            link = Some(target);
        } else if !metadata.is_file() {
            let why = "is neither a file nor a directory";
            return Err(wrong(pool, &path, why, "take it away"));
        }
        let Some(stamp) = stamp_of(&place) else {
            continue;
        };
        found.insert(path, Original { place, stamp, link });
    }
    Ok(())
}

/// Whether a link at `path` leads to somewhere in the same tree, through no more than what is there.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count() - 1;
    let mut down = false;
    target.components().all(|part| match part {
        Component::Normal(_) => {
            down = true;
            true
        }
        Component::CurDir => true,
        // After a name, which may be a link itself, nobody knows where that leads.
        Component::ParentDir if !down && depth > 0 => {
            depth -= 1;
            true
        }
        _ => false,
    })
}

fn wrong(pool: &Pool<'_>, path: &Path, why: &str, what_to_do: &str) -> Error {
    Error::Pool {
        message: format!(
            "`copy` of pool {}: {} {why}",
            pool.name,
            pool.paths.files().join(path).display()
        ),
        hint: Some(format!(
            "{what_to_do}, or take it out of `copy` in pools.toml"
        )),
    }
}

/// Refuses files that the commit has too: git would take the copy for a change of them.
fn untracked(pool: &Pool<'_>, commit: &Oid, originals: &Originals) -> Result<()> {
    let repository = pool.paths.repository();
    let tracked = kept::files(&pool.git, &repository, commit, &pool.settings.copy)?;
    let is_in_the_way = |file: &&PathBuf| {
        let clashes = |path: &PathBuf| path.starts_with(file) || file.starts_with(path);
        originals.keys().any(clashes)
    };
    let both: Vec<&PathBuf> = tracked.iter().filter(is_in_the_way).collect();
    if both.is_empty() {
        return Ok(());
    }
    Err(Error::Pool {
        message: format!(
            "`copy` of pool {} names what the repository tracks at {}{}",
            pool.name,
            &commit[..commit.len().min(12)],
            clean::listed(both.into_iter())
        ),
        hint: Some("take it out of `copy` in pools.toml, or out of the repository".into()),
    })
}

/// Puts one file into the slot: it is made aside and appears there by a rename.
fn place(
    pool: &Pool<'_>,
    number: u32,
    top: &Path,
    path: &Path,
    original: &Original,
) -> Result<Copied> {
    let target = top.join(path);
    let mut dir = top.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        dir.push(part);
        match fs::metadata_if_there(&dir)? {
            None => fs::create_dir_all(&dir)?,
            Some(metadata) if metadata.is_dir() => {}
            Some(_) => {
                let inside = dir.strip_prefix(top).unwrap_or(&dir);
                let why = format!("can't be put into a slot, where {inside:?} is no directory");
                return Err(wrong(pool, path, &why, "put it elsewhere"));
            }
        }
    }
    if fs::metadata_if_there(&target)?.is_some_and(|there| there.is_dir()) {
        trash::bin(pool, number).throw(&target)?;
    }
    let new = pool.paths.furnishing(number);
    fs::create_private_dir_all(&pool.paths.furnishings())?;
    fs::remove_file_if_there(&new)?;
    match &original.link {
        Some(link) => fs::symlink(link, &new)?,
        None => fs::copy_with_mode(&original.place, &new)?,
    }
    fs::rename(&new, &target)?;
    Ok(Copied {
        path: Name::from(path),
        source: original.stamp.clone(),
        copy: stamp_of(&target).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_nowhere_but_into_the_folder() {
        let stays = |path: &str, target: &str| stays_inside(Path::new(path), Path::new(target));
        for (path, target) in [
            ("a", "b"),
            ("a", "./b/c"),
            ("d/a", "../b"),
            ("d/e/a", "../../b"),
        ] {
            assert!(stays(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "/etc"),
            ("a", "../b"),
            ("d/a", "../../b"),
            ("a", "b/../c"),
            ("d/a", "x/../../b"),
        ] {
            assert!(!stays(path, target), "{path} -> {target}");
        }
    }
}
