//! Files whose contents git-lfs keeps outside of the repository: commits hold a pointer in their place.
//!
//! Whoever has git-lfs installed has it in their own config, so what a slot holds is said on the command
//! line of every git of the tool's: pointers, unless the pool is to have the contents. Then these are
//! fetched where a commit is chosen, into the pool's repository, and checking out needs no remote.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::status::{Ordinary, Status};
use super::{Git, Oid, Worktree, command, remote, view};
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::sys::{fs, remove, user};

/// What git on a slot with contents has to be told before its command.
const ON: [&str; 8] = [
    "-c",
    "filter.lfs.clean=git-lfs clean -- %f",
    "-c",
    "filter.lfs.smudge=git-lfs smudge -- %f",
    "-c",
    "filter.lfs.process=git-lfs filter-process",
    "-c",
    "filter.lfs.required=true",
];

/// The same for a config file.
pub(super) const CONFIG: &str = "[filter \"lfs\"]\n\
    \tclean = git-lfs clean -- %f\n\
    \tsmudge = git-lfs smudge -- %f\n\
    \tprocess = git-lfs filter-process\n\
    \trequired = true\n";

/// In the registration: the files are there with their contents.
pub(super) const FILLED: &str = "repo-pool-lfs";

/// Beside the view: the commit whose contents were fetched last.
const BROUGHT: &str = "lfs-brought";

/// Where a repository says how it uses git-lfs.
const SETTINGS: &str = ".lfsconfig";

/// Where a repository has the contents, named after themselves.
const OBJECTS: &str = "lfs/objects";

/// Pointers are shorter than this, in bytes.
const POINTER_MAX: u64 = 1024;

/// The largest hook that is read, in bytes.
const HOOK_MAX: u64 = 4096;

/// What git-lfs has run at a push: it sends the contents.
const PRE_PUSH: &str = "#!/bin/sh\ngit lfs pre-push \"$@\"\n";

/// The hooks that git-lfs makes.
const HOOKS: [&str; 4] = ["pre-push", "post-checkout", "post-commit", "post-merge"];

/// What git on a slot has to be told before its command.
pub(super) fn settings(on: bool) -> &'static [&'static str] {
    match on {
        true => &ON,
        false => &[],
    }
}

impl Worktree {
    /// Whether its files were written with contents and are to be pointers, or the other way round:
    /// by its index, git would take them for what they are to be.
    pub fn is_filled_otherwise(&self) -> Result<bool> {
        let filled = fs::metadata_if_there(&self.admin.join(FILLED))?.is_some();
        Ok(filled != self.lfs)
    }

    /// Notes that its files are as they are to be.
    pub(super) fn note_filled(&self) -> Result<()> {
        let note = self.admin.join(FILLED);
        if !self.is_filled_otherwise()? {
            return Ok(());
        }
        match self.lfs {
            true => fs::write_atomic(&note, b"", fs::Durability::RenameOnly),
            false => fs::remove_file_if_there(&note).map(drop),
        }
    }
}

/// Whether the contents of `commit` were the last to be fetched.
pub fn is_brought(repository: &Path, commit: &Oid) -> Result<bool> {
    let brought = fs::read_if_there(&view::path(repository).join(BROUGHT))?;
    Ok(brought.is_some_and(|brought| brought == commit.as_bytes()))
}

/// Has them fetched again: some were lost.
pub fn forget_brought(repository: &Path) -> Result<()> {
    fs::remove_file_if_there(&view::path(repository).join(BROUGHT)).map(drop)
}

/// Fetches the contents of the files of `commit`, as far as they are not here. The remote is not asked
/// if all are.
pub fn bring(git: &Git, repository: &Path, url: &RemoteUrl, commit: &Oid) -> Result<()> {
    if is_brought(repository, commit)? {
        return Ok(());
    }
    fetch(git, repository, url, commit, &[])?;
    install_hook(&repository.join("hooks"))?;
    let note = view::path(repository).join(BROUGHT);
    fs::write_atomic(&note, commit.as_bytes(), fs::Durability::RenameOnly)
}

/// Fetches what the user's own repository at `source` has of them: what was not pushed is nowhere else.
/// The rest is fetched from the remote.
pub fn bring_from_user(git: &Git, repository: &Path, source: &Path, commit: &Oid) -> Result<()> {
    let url = RemoteUrl::new(&source.to_string_lossy())?;
    let from = format!("lfs.url=file://{}", source.display());
    match fetch(git, repository, &url, commit, &["-c", &from]) {
        Err(Error::Git { .. }) => Ok(()),
        other => other,
    }
}

fn fetch(
    git: &Git,
    repository: &Path,
    url: &RemoteUrl,
    commit: &Oid,
    settings: &[&str],
) -> Result<()> {
    let place = Place::new(git, repository, commit)?;
    let command = git
        .repository(repository)
        .env("GIT_LFS_FORCE_PROGRESS", "1")
        .args([command::joined("--work-tree=", &place.0)])
        .cwd(&place.0)
        .args(settings)
        .args(["lfs", "fetch", "origin", commit]);
    let context = format!("fetch the contents that {} keeps by git-lfs", url.stored());
    match remote::reaching(git, command, url).run(&context) {
        Err(Error::Git { failure, .. }) if is_absent(&failure.stderr) => Err(not_installed()),
        other => other.map(drop),
    }
}

/// A directory to fetch in, which goes when it is dropped: git-lfs looks there for the file of the
/// repository's that says where its contents are.
struct Place(PathBuf);

impl Place {
    fn new(git: &Git, repository: &Path, commit: &Oid) -> Result<Self> {
        let place = Self(repository.join("repo-pool-tmp").join(user::random_hex(8)));
        fs::create_private_dir_all(&place.0)?;
        let config = git
            .repository(repository)
            .args(["cat-file", "blob", &format!("{commit}:{SETTINGS}")])
            .run_allowing(&[128], "read the settings of git-lfs", &mut |_| ())?;
        if config.code == 0 {
            let file = place.0.join(SETTINGS);
            fs::write_atomic(&file, &config.stdout, fs::Durability::RenameOnly)?;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What can't be deleted is a leftover, which `recover` finds.
        let _ = remove::remove_tree(&self.0);
    }
}

/// The failure of git-lfs that git tells of in these words, if it is one.
pub fn failure(words: &str) -> Option<Error> {
    if is_absent(words) {
        return Some(not_installed());
    }
    let told = FAILED.iter().any(|part| words.contains(part));
    told.then(|| Error::Pool {
        message: format!("git-lfs could not do its work: {words}"),
        hint: Some("try again when the remote can be reached".into()),
    })
}

/// What git says when one of the commands in [`ON`] has failed.
const FAILED: [&str; 4] = [
    "external filter 'git-lfs",
    "clean filter 'lfs' failed",
    "smudge filter lfs failed",
    "git-lfs filter-process",
];

/// What git, or the shell that it asks, says when there is no git-lfs.
fn is_absent(words: &str) -> bool {
    [
        "'lfs' is not a git command",
        "git-lfs: not found",
        "git-lfs: command not found",
    ]
    .iter()
    .any(|part| words.contains(part))
}

fn not_installed() -> Error {
    Error::Pool {
        message: "git-lfs was not found, and pools.toml asks for it by `lfs = true`".into(),
        hint: Some("install git-lfs, or take `lfs` out of pools.toml to have pointers only".into()),
    }
}

/// Without it, a commit that is pushed from a slot would point to what nobody else has.
pub(super) fn install_hook(hooks: &Path) -> Result<()> {
    let hook = hooks.join(HOOKS[0]);
    if fs::metadata_if_there(&hook)?.is_some() {
        return Ok(());
    }
    fs::create_private_dir_all(hooks)?;
    fs::write_program(&hook, PRE_PUSH.as_bytes())
}

/// Whether the file is a hook that git-lfs has made.
pub(super) fn is_hook_at(path: &Path) -> Result<bool> {
    let is_small = |file: std::fs::Metadata| file.is_file() && file.len() < HOOK_MAX;
    if !fs::metadata_if_there(path)?.is_some_and(is_small) {
        return Ok(false);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = fs::read_limited(path, HOOK_MAX)?;
    Ok(is_hook(&name, &String::from_utf8_lossy(&text)))
}

/// The same by name and text, whichever version it is: nothing else runs by it.
fn is_hook(name: &str, text: &str) -> bool {
    let is_check = |line: &&str| {
        let message = ["echo >&2 \"", "printf >&2 \"\\n%s\\n\\n\" \""]
            .iter()
            .find_map(|how| {
                line.strip_prefix("command -v git-lfs >/dev/null 2>&1 || { ")?
                    .strip_prefix(how)?
                    .strip_suffix("\"; exit 2; }")
            });
        message.is_some_and(|text| !text.contains(['"', '$', '`']))
    };
    let lines: Vec<&str> = text.lines().filter(|line| !is_check(line)).collect();
    let runs = format!("git lfs {name} \"$@\"");
    HOOKS.contains(&name) && lines == ["#!/bin/sh", &runs]
}

/// Notes which of the changed files are nobody's work: somebody's git-lfs has put there what HEAD's
/// pointer stands for. The same bytes stay in the pool.
pub fn set_apart(git: &Git, slot: &Worktree, seen: &mut Status) -> Result<()> {
    let objects = slot.common.join(OBJECTS);
    if slot.lfs || seen.ordinary.is_empty() || !objects.is_dir() {
        return Ok(());
    }
    let mut candidates = Vec::new();
    for change in &seen.ordinary {
        if let Some(oid) = unstaged(slot, change)? {
            candidates.push((change.path.clone(), oid));
        }
    }
    let pointers = pointers(git, &slot.common, candidates.iter().map(|(_, oid)| oid))?;
    candidates.retain(|(path, oid)| {
        let object = pointers.get(oid).map(|object| objects.join(object));
        object.is_some_and(|object| fs::have_same_content(&slot.path.join(path), &object))
    });
    seen.unstaged = seen.unstaged.saturating_sub(candidates.len() as u64);
    seen.smudged = candidates.into_iter().map(|(path, _)| path).collect();
    Ok(())
}

/// What HEAD has at the path, if nothing but the contents of the file may differ from that.
fn unstaged(slot: &Worktree, change: &Ordinary) -> Result<Option<Oid>> {
    let Some((mode, oid)) = change.head.as_ref().filter(|_| !change.staged) else {
        return Ok(None);
    };
    let parent = change.path.parent().unwrap_or(Path::new(""));
    if !fs::is_directory_below(&slot.path, parent)? {
        return Ok(None);
    }
    let there = fs::metadata_if_there(&slot.path.join(&change.path))?;
    let same = there.is_some_and(|file| {
        let executable = file.permissions().mode() & 0o100 != 0;
        file.is_file() && mode == if executable { "100755" } else { "100644" }
    });
    Ok(same.then(|| oid.clone()))
}

/// Where the contents lie that these blobs point to, as far as they are pointers.
fn pointers<'o>(
    git: &Git,
    repository: &Path,
    oids: impl Iterator<Item = &'o Oid>,
) -> Result<BTreeMap<Oid, PathBuf>> {
    let ask = |asked: String, how: &str| {
        git.repository(repository)
            .while_progressing()
            .stdin(asked.into_bytes())
            .args(["cat-file", how, "--buffer"])
            .run("look for pointers of git-lfs")
    };
    let mut found = BTreeMap::new();
    let all: String = oids.map(|oid| format!("{oid}\n")).collect();
    if all.is_empty() {
        return Ok(found);
    }
    let sizes = ask(all, "--batch-check")?.text();
    let is_short = |line: &&str| {
        let size = line
            .split_once(" blob ")
            .and_then(|(_, size)| size.parse().ok());
        size.is_some_and(|size: u64| size < POINTER_MAX)
    };
    let short: String = sizes
        .lines()
        .filter(is_short)
        .filter_map(|line| line.split(' ').next())
        .map(|oid| format!("{oid}\n"))
        .collect();
    if short.is_empty() {
        return Ok(found);
    }
    let contents = ask(short, "--batch")?.stdout;
    let mut rest = contents.as_slice();
    while let Some((oid, blob, behind)) = next_blob(rest) {
        found.extend(place(blob).map(|place| (oid, place)));
        rest = behind;
    }
    Ok(found)
}

/// Reads `<object> blob <size>\n<contents>\n`: object, contents and what is behind them.
fn next_blob(bytes: &[u8]) -> Option<(Oid, &[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&bytes[..at]).ok()?;
    let (oid, size) = head.split_once(" blob ")?;
    let rest = &bytes[at + 1..];
    let (blob, behind) = rest.split_at_checked(size.parse().ok()?)?;
    Some((oid.to_owned(), blob, behind.strip_prefix(b"\n")?))
}

/// Where the contents lie that a pointer stands for. One with extensions stands for something else than
/// what is in the file.
fn place(blob: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(blob).ok()?;
    let mut lines = text.lines();
    lines
        .next()?
        .strip_prefix("version https://git-lfs.github.com/spec/")?;
    let oid = lines.next()?.strip_prefix("oid sha256:")?;
    lines.next()?.strip_prefix("size ")?;
    let is_one = oid.len() == 64 && oid.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| [&oid[..2], &oid[2..4], oid].iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_other_files() {
        let oid = "2a60187d7019905bf4804c9794eabb09507fc8812ae0d3ed999b15dfb698ee54";
        let pointer =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 5000\n");
        let there = PathBuf::from(format!("2a/60/{oid}"));
        assert_eq!(place(pointer.as_bytes()), Some(there));
        for other in [
            "",
            "\n",
            "version https://git-lfs.github.com/spec/v1\n",
            &pointer.replace(&oid[..1], "../"),
            &pointer.replace("oid", "ext-0-x sha256:1\noid"),
        ] {
            assert_eq!(place(other.as_bytes()), None, "{other}");
        }
        let listed = format!("x blob {}\n{pointer}\ny blob 0\n\n", pointer.len());
        let (oid, blob, rest) = next_blob(listed.as_bytes()).expect("a blob");
        assert_eq!((oid.as_str(), blob), ("x", pointer.as_bytes()));
        assert_eq!(next_blob(rest), Some(("y".to_owned(), &b""[..], &b""[..])));
        assert_eq!(next_blob(b"x blob 9\nshort\n"), None);
    }

    #[test]
    fn hooks_of_git_lfs_are_told_from_others() {
        let newer = "#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 || { echo >&2 \"\\nThis is \
                     configured for Git LFS.\\n\"; exit 2; }\ngit lfs pre-push \"$@\"\n";
        assert!(is_hook("pre-push", newer) && is_hook("pre-push", PRE_PUSH));
        assert!(!is_hook("post-merge", newer) && !is_hook("update", newer));
        for other in [
            format!("{newer}curl evil\n"),
            newer.replace("This", "$(curl evil)"),
            newer.replace("This", "\"; curl evil; \""),
            newer.replace("exit 2", "curl evil"),
        ] {
            assert!(!is_hook("pre-push", &other), "{other}");
        }
    }
}
