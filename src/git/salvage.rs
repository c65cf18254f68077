//! Bringing over what can be read of a damaged repository into one that was made anew.
//!
//! Objects first, whatever leads to them: each that the new repository lacks and that can be read.
//! Then the refs whose history is complete there; of the others the newest commit that is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::objects::missing;
use super::parse;
use super::ref_files::{self, Refs, is_real_dir, read_file as read};
use super::repository::{self, Setting};
use super::{Git, Oid, Worktree, is_oid, promised};
use crate::domain::Result;
use crate::sys::{fs, remove};

/// How many earlier commits of a ref are tried when its own can't be read.
const EARLIER: usize = 100;

/// More new packs than this are joined.
const PACKS: usize = 8;

/// The refs of the damaged repository, but for the remote's own branches.
pub fn refs(repository: &Path) -> Result<Refs> {
    let mut refs = ref_files::read(repository)?;
    refs.found
        .retain(|name, _| !name.starts_with(super::remote::TRACKING));
    Ok(refs)
}

/// What the damaged repository's config says of its user and of the branches' upstreams.
pub fn settings(git: &Git, damaged: &Path) -> Result<Vec<Setting>> {
    repository::settings_in(git, &damaged.join("config"))
}

/// Copies every object that `damaged` has, that can be read, and that `new` lacks.
pub fn objects(git: &Git, damaged: &Path, new: &Path) -> Result<()> {
    let source = damaged.join("objects");
    if !is_real_dir(&source)? {
        return Ok(());
    }
    unindexed_packs(git, &source, new)?;
    let there = git
        .repository(new)
        .while_progressing()
        .env("GIT_OBJECT_DIRECTORY", &source)
        .args(["cat-file", "--batch-all-objects", "--unordered"])
        .args(["--batch-check=%(objectname)"])
        .run_allowing(
            &[1, 128],
            "list the damaged repository's objects",
            &mut |_| (),
        )?;
    let lacking = missing(git, new, there.stdout)?;
    let mut packs = 0;
    pack(git, &source, new, &lacking, &mut packs)?;
    // Joined, what came with a promise would be taken for what did not.
    if packs > PACKS && promised::filter(new)?.is_none() {
        git.repository(new)
            .while_progressing()
            .args(["repack", "-d", "-q", "--geometric=2"])
            .run("join the packs")?;
    }
    Ok(())
}

/// A pack whose index was lost is not seen by git. Nothing is written to the damaged repository.
fn unindexed_packs(git: &Git, source: &Path, new: &Path) -> Result<()> {
    let packs = source.join("pack");
    if !is_real_dir(&packs)? {
        return Ok(());
    }
    for name in fs::list_dir_if_there(&packs)?.unwrap_or_default() {
        let pack = packs.join(&name);
        if pack.extension().is_some_and(|kind| kind == "pack")
            && !pack.with_extension("idx").exists()
        {
            unpack(git, &pack, new)?;
        }
    }
    Ok(())
}

/// Takes out of a pack what can be read from its beginning on.
fn unpack(git: &Git, pack: &Path, new: &Path) -> Result<()> {
    git.repository(new)
        .while_progressing()
        .stdin_from(pack)?
        .args(["unpack-objects", "-q", "-r"])
        .run_allowing(&[1, 128], "read a damaged pack", &mut |_| ())?;
    Ok(())
}

/// Takes what can be read out of packs that git does not open any more, such as truncated ones.
pub fn packs(git: &Git, damaged: &Path, new: &Path) -> Result<()> {
    let packs = damaged.join("objects/pack");
    if !is_real_dir(&packs)? {
        return Ok(());
    }
    for name in fs::list_dir_if_there(&packs)?.unwrap_or_default() {
        let pack = packs.join(&name);
        if pack.extension().is_some_and(|kind| kind == "pack") && pack.is_file() {
            unpack(git, &pack, new)?;
        }
    }
    Ok(())
}

/// Packs those of `oids` that can be read into `new`: all at once, or where that fails by halves. One
/// that can be read and not packed is no damage: a full disk must not pass for objects that are gone.
pub(super) fn pack(
    git: &Git,
    source: &Path,
    new: &Path,
    oids: &[Oid],
    packs: &mut usize,
) -> Result<()> {
    if oids.is_empty() {
        return Ok(());
    }
    if pack_all(git, source, new, oids, &[1, 128])? {
        *packs += 1;
    } else if oids.len() > 1 {
        let (one, other) = oids.split_at(oids.len() / 2);
        pack(git, source, new, one, packs)?;
        pack(git, source, new, other, packs)?;
    } else if is_readable(git, source, new, &oids[0])? {
        pack_all(git, source, new, oids, &[])?;
        *packs += 1;
    }
    Ok(())
}

/// Whether the object at `source` can be read to its end.
fn is_readable(git: &Git, source: &Path, new: &Path, oid: &Oid) -> Result<bool> {
    let read = git
        .repository(new)
        .while_progressing()
        .env("GIT_OBJECT_DIRECTORY", source)
        .stdin(format!("{oid}\n").into_bytes())
        .args(["cat-file", "--batch"])
        .run_allowing(&[1, 128], "read an object", &mut |_| ())?;
    Ok(read.code == 0 && !read.stdout.ends_with(b" missing\n"))
}

/// Whether all of `oids` could be packed; fails if git ends with another code than the `allowed`. The
/// pack's index is made from its contents, so an object that is not what its name says does not come
/// over under that name.
fn pack_all(git: &Git, source: &Path, new: &Path, oids: &[Oid], allowed: &[i32]) -> Result<bool> {
    let place = new
        .join("repo-pool-tmp")
        .join(crate::sys::user::random_hex(8));
    fs::create_private_dir_all(&place.join("objects/pack"))?;
    let list: String = oids.iter().map(|oid| format!("{oid}\n")).collect();
    let mut others = in_list(source);
    others.push(":");
    others.push(in_list(&new.join("objects")));
    // A failure leaves its temporary files in the place of its own.
    let packed = git
        .repository(new)
        .while_progressing()
        .env("GIT_OBJECT_DIRECTORY", place.join("objects"))
        .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", others)
        .stdin(list.into_bytes())
        .args(["pack-objects", "-q", "--no-reuse-delta"])
        .args([place.join("pack")])
        .run_allowing(allowed, "pack objects", &mut |_| ())?;
    let name = format!("pack-{}.pack", packed.text());
    let whole = packed.code == 0 && place.join(&name).is_file();
    if whole {
        let target = new.join("objects/pack").join(&name);
        fs::rename(&place.join(&name), &target)?;
        git.repository(new)
            .while_progressing()
            .args(["index-pack"])
            .args([&target])
            .run("index what was read")?;
    }
    remove::remove_tree(&place)?;
    Ok(whole)
}

/// A path in a list with colons between: quoted, since it may have some itself.
pub(super) fn in_list(path: &Path) -> OsString {
    let mut quoted = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            b'\n' => quoted.extend(b"\\n"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

/// Whether everything is there that the commit (or other object) leads to.
pub fn is_complete(git: &Git, repository: &Path, oid: &Oid) -> Result<bool> {
    are_complete(git, repository, std::slice::from_ref(oid))
}

pub(super) fn are_complete(git: &Git, repository: &Path, oids: &[Oid]) -> Result<bool> {
    let list: String = oids.iter().map(|oid| format!("{oid}\n")).collect();
    // Of a partial clone, commits and trees are all there, and contents or the promise of them.
    let looks = match promised::filter(repository)?.is_some() {
        true => &[Some("--filter=blob:none"), Some("--missing=allow-promisor")][..],
        false => &[None],
    };
    for look in looks {
        let output = git
            .repository(repository)
            .while_progressing()
            .stdin(list.clone().into_bytes())
            .args(["rev-list", "--objects", "--quiet"])
            .args(look)
            .args(["--stdin", "--not", "--remotes=origin"])
            .run_allowing(&[1, 128], "follow a history", &mut |_| ())?;
        if output.code != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The names among `wanted` that can't stand where they stood, with what they name now: the newest
/// earlier commit whose history is complete, if there is one. All others are as they were.
pub type Fallen = BTreeMap<String, Option<Oid>>;

/// Sets the refs of the damaged repository in the new one.
pub fn bring_refs(
    git: &Git,
    damaged: &Path,
    new: &Path,
    wanted: &BTreeMap<String, Oid>,
) -> Result<Fallen> {
    let mut fallen = Fallen::new();
    let all: Vec<Oid> = wanted.values().cloned().collect();
    let whole = all.is_empty() || are_complete(git, new, &all)?;
    for (name, oid) in wanted {
        let log = read(&damaged.join("logs").join(name))?;
        let target = match whole || is_complete(git, new, oid)? {
            true => Some(oid.clone()),
            false => {
                let earlier = newest_complete(git, new, oid, &log)?;
                fallen.insert(name.clone(), earlier.clone());
                earlier
            }
        };
        if let Some(target) = target {
            set(git, new, name, &target, &log)?;
        }
    }
    Ok(fallen)
}

/// The newest commit before `oid` that is complete: its ancestors as far as they can be read, and what
/// the log of the ref says that it was.
pub fn newest_complete(git: &Git, new: &Path, oid: &Oid, log: &[u8]) -> Result<Option<Oid>> {
    let ancestors = git
        .repository(new)
        .args(["rev-list", "--first-parent"])
        .args([format!("--max-count={EARLIER}"), oid.clone()])
        .run_allowing(&[1, 128], "look for earlier commits", &mut |_| ())?;
    let ancestors = ancestors.text();
    let earlier = parse::reflog(log).into_iter().rev().take(EARLIER);
    let candidates = ancestors.lines().map(str::to_owned).chain(earlier);
    for candidate in candidates {
        if is_oid(&candidate) && is_complete(git, new, &candidate)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Sets a ref with its log, but for entries that are gone: the stash's are its contents.
fn set(git: &Git, new: &Path, name: &str, oid: &Oid, log: &[u8]) -> Result<()> {
    let set = git
        .repository(new)
        .args(["update-ref", "--no-deref", name, oid])
        .run_allowing(&[1, 128], &format!("set {name}"), &mut |_| ())?;
    if set.code != 0 || log.is_empty() {
        return Ok(());
    }
    let gone = missing(git, new, parse::reflog(log).join("\n").into_bytes())?;
    let stands = |oid: &str| match name {
        "refs/stash" => is_complete(git, new, &oid.to_owned()),
        _ => Ok(!gone.iter().any(|other| other == oid)),
    };
    let mut kept = Vec::new();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let entry = String::from_utf8_lossy(line);
        if stands(entry.split(' ').nth(1).unwrap_or_default())? {
            kept.extend_from_slice(line);
        }
    }
    let file = new.join("logs").join(name);
    if let Some(parent) = file.parent() {
        fs::create_private_dir_all(parent)?;
    }
    fs::write_atomic(&file, &kept, fs::Durability::RenameOnly)
}

/// What the damaged repository has lost and a slot still has: its files are the contents of blobs, and
/// its index knows the trees that they make up.
pub fn from_files(git: &Git, slot: &Worktree, new: &Path) -> Result<()> {
    let mut paths = Vec::new();
    for path in lacking_blobs(git, slot, new)? {
        let bytes = path.as_os_str().as_bytes();
        let file = fs::metadata_if_there(&slot.path.join(&path))?;
        if file.is_some_and(|file| file.is_file()) && !bytes.contains(&b'\n') {
            paths.extend_from_slice(bytes);
            paths.push(b'\n');
        }
    }
    if !paths.is_empty() {
        git.repository(new)
            .while_progressing()
            .cwd(&slot.path)
            .stdin(paths)
            .args(["hash-object", "-w", "--no-filters", "--stdin-paths"])
            .run_allowing(&[1, 128], "read a slot's files", &mut |_| ())?;
    }
    let place = new
        .join("repo-pool-tmp")
        .join(crate::sys::user::random_hex(8));
    fs::create_private_dir_all(&place)?;
    let copy = place.join("index");
    fs::copy_with_time(&slot.admin.join("index"), &copy)?;
    git.repository(new)
        .env("GIT_INDEX_FILE", &copy)
        .args(["write-tree"])
        .run_allowing(&[1, 128], "read a slot's index", &mut |_| ())?;
    remove::remove_tree(&place)
}

/// The paths whose contents a slot's index names and `repository` does not have, nor the promise of
/// them. An index that can't be read names none.
pub fn lacking_blobs(git: &Git, slot: &Worktree, repository: &Path) -> Result<Vec<PathBuf>> {
    let listed = git
        .repository(repository)
        .env("GIT_INDEX_FILE", slot.admin.join("index"))
        .args(["ls-files", "-s", "-z"])
        .run_allowing(&[1, 128], "read an index", &mut |_| ())?;
    let entries = blobs(&listed.stdout);
    let asked: String = entries.iter().map(|(oid, _)| format!("{oid}\n")).collect();
    let gone: BTreeSet<Oid> = promised::lost(git, repository, asked.into_bytes())?
        .into_iter()
        .collect();
    Ok(entries
        .into_iter()
        .filter(|(oid, _)| gone.contains(oid))
        .map(|(_, path)| path)
        .collect())
}

/// Reads `ls-files -s -z`: `<mode> <object> <stage>\t<path>`; submodules are no blobs.
fn blobs(listed: &[u8]) -> Vec<(Oid, PathBuf)> {
    let entry = |bytes: &[u8]| {
        let at = bytes.iter().position(|byte| *byte == b'\t')?;
        let head = std::str::from_utf8(&bytes[..at]).ok()?;
        let mut words = head.split(' ');
        let (mode, oid) = (words.next()?, words.next()?);
        let path = PathBuf::from(OsStr::from_bytes(&bytes[at + 1..]));
        (mode != "160000" && is_oid(oid)).then(|| (oid.to_owned(), path))
    };
    listed.split(|byte| *byte == 0).filter_map(entry).collect()
}

/// Takes out of a slot's own history and refs what can't be read any more: nothing could be saved that
/// is said to lead there. Tells the commits.
pub fn forget_lost(git: &Git, slot: &Worktree) -> Result<Vec<Oid>> {
    let log = slot.history()?;
    let own = slot.own_refs()?;
    let mut named = parse::reflog(&log);
    named.extend(own.iter().map(|(_, oid)| oid.clone()));
    if named.is_empty() || are_complete(git, &slot.common, &named)? {
        return Ok(Vec::new());
    }
    let mut lost = Vec::new();
    for oid in named {
        if !lost.contains(&oid) && !is_complete(git, &slot.common, &oid)? {
            lost.push(oid);
        }
    }
    let stands = |line: &&[u8]| {
        let entry = String::from_utf8_lossy(line).into_owned();
        !entry
            .split(' ')
            .take(2)
            .any(|oid| lost.iter().any(|lost| lost == oid))
    };
    let kept: Vec<&[u8]> = log
        .split_inclusive(|byte| *byte == b'\n')
        .filter(stands)
        .collect();
    if !log.is_empty() {
        let file = slot.admin.join("logs/HEAD");
        fs::write_atomic(&file, &kept.concat(), fs::Durability::RenameOnly)?;
    }
    for (file, oid) in own {
        if lost.contains(&oid) {
            fs::remove_file_if_there(&file)?;
        }
    }
    Ok(lost)
}
