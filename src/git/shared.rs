//! What agents have written into what all slots share: the config, the hooks, `info/`. The tool's
//! own git does not read it ([`super::view`]), but the next agent's does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config_keys::{self, Sort};
use super::{Git, Invocation, exclude, lfs, repository, view};
use crate::domain::{Error, Result, remote};
use crate::sys::{fs, user};

/// The largest config that is read, in bytes.
const CONFIG_MAX: u64 = 1024 * 1024;

/// How many keys a message names.
const KEYS_NAMED: usize = 20;

/// The paths that every slot ignores; some may be the pool's own.
const EXCLUDE: &str = "info/exclude";

/// Files that every slot obeys and that a pool is made without.
const OBEYED: [&str; 5] = ["hooks", EXCLUDE, "info/attributes", "branches", "remotes"];

/// Something that is not as the pool made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// git can't read the config: nobody's git works.
    Broken,
    /// Keys of one sort are not as they were made, or were not there.
    Keys(Sort, BTreeSet<OsString>),
    /// A file or directory that every slot obeys.
    Obeyed(PathBuf),
}

impl Fault {
    /// Whether no slot can be used with it.
    pub fn is_vital(&self) -> bool {
        matches!(self, Self::Broken | Self::Keys(Sort::Vital, _))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken => f.write_str("git can't read the config that all slots share"),
            Self::Keys(sort, keys) => {
                f.write_str(match sort {
                    Sort::Vital => "no slot works with what the shared config says about ",
                    Sort::Planted => {
                        "by the shared config, git in every slot runs programs or goes elsewhere: "
                    }
                    Sort::Owned | Sort::Free => "the shared config is not as the pool made it: ",
                })?;
                // A key can hold an address, and that a password.
                let named = keys
                    .iter()
                    .map(|key| remote::redact(&key.to_string_lossy()));
                f.write_str(&named.take(KEYS_NAMED).collect::<Vec<_>>().join(", "))?;
                match keys.len().checked_sub(KEYS_NAMED + 1) {
                    Some(more) => write!(f, " and {} more", more + 1),
                    None => Ok(()),
                }
            }
            Self::Obeyed(path) => write!(f, "every slot obeys {}", path.display()),
        }
    }
}

/// Values of each key, in order.
type Values = BTreeMap<OsString, Vec<OsString>>;

/// Which config was last found to be harmless, beside the view.
const KNOWN: &str = "known-config";

/// Whether the config is the one that the pool made, or the one that was last looked at. Costs no
/// process.
pub fn is_known(repository: &Path) -> Result<bool> {
    let seen = stamp(repository)?;
    let known = fs::read_if_there(&view::path(repository).join(KNOWN))?;
    if known.is_some_and(|known| known == seen.as_bytes()) {
        return Ok(true);
    }
    let now = fs::read_limited(&repository.join("config"), CONFIG_MAX).ok();
    Ok(now.is_some() && now == view::config_as_made(repository)?)
}

/// What tells this state of the config from any other.
pub fn stamp(repository: &Path) -> Result<String> {
    let metadata = fs::metadata_if_there(&repository.join("config"))?;
    Ok(metadata.map_or_else(String::new, |metadata| {
        format!(
            "{} {} {} {}.{} {}.{}",
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec()
        )
    }))
}

/// Notes that the config was looked at when it was as `stamp` tells.
pub fn note(repository: &Path, stamp: &str) -> Result<()> {
    fs::write_atomic(
        &view::path(repository).join(KNOWN),
        stamp.as_bytes(),
        fs::Durability::RenameOnly,
    )
}

/// Looks at what is shared. Nothing in it is obeyed.
pub fn look(git: &Git, repository: &Path) -> Result<Vec<Fault>> {
    let mut found = Vec::new();
    let made = values(git, &view::path(repository).join(view::AS_MADE))?.unwrap_or_default();
    match values(git, &repository.join("config"))? {
        None => found.push(Fault::Broken),
        Some(now) => {
            found.extend(differences(&made, &now));
            if !found.iter().any(Fault::is_vital) && !is_readable(git, repository)? {
                found.insert(0, Fault::Broken);
            }
        }
    }
    for name in OBEYED {
        let path = repository.join(name);
        let is_ours = name == EXCLUDE && exclude::is_as_made(repository);
        if !is_ours && is_obeyed(&path)? {
            found.push(Fault::Obeyed(path));
        }
    }
    Ok(found)
}

/// Puts `fault` right. What was there is kept in the directory `aside`.
pub fn repair(git: &Git, repository: &Path, fault: &Fault, aside: &Path) -> Result<()> {
    fs::create_private_dir_all(aside)?;
    let kept = |name: &str| aside.join(format!("{name}-{}", user::random_hex(4)));
    let config = repository.join("config");
    match fault {
        Fault::Broken => {
            if fs::metadata_if_there(&config)?.is_some() {
                fs::rename_noreplace(&config, &kept("config"))?;
            }
            let made = view::config_as_made(repository)?.ok_or_else(|| {
                Error::failed("the config that the pool was made with is not known")
            })?;
            repository::write_config(repository, &made)
        }
        Fault::Keys(_, keys) => {
            fs::copy_with_time(&config, &kept("config"))?;
            let made = values(git, &view::path(repository).join(view::AS_MADE))?;
            let made = made.unwrap_or_default();
            for key in keys {
                set(git, &config, key, made.get(key).map_or(&[], Vec::as_slice))?;
            }
            Ok(())
        }
        Fault::Obeyed(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            fs::rename_noreplace(path, &kept(&name))
        }
    }
}

fn differences(made: &Values, now: &Values) -> Vec<Fault> {
    let mut found: BTreeMap<Sort, BTreeSet<OsString>> = BTreeMap::new();
    for key in made.keys().chain(now.keys()) {
        let values = now.get(key);
        if values == made.get(key) {
            continue;
        }
        let text = key.to_string_lossy();
        let values = values.map_or(&[][..], Vec::as_slice).iter();
        let sorts = values.map(|value| config_keys::sort(&text, &value.to_string_lossy()));
        let sort = sorts.min().unwrap_or_else(|| config_keys::sort(&text, ""));
        if sort != Sort::Free {
            found.entry(sort).or_default().insert(key.clone());
        }
    }
    found
        .into_iter()
        .map(|(sort, keys)| Fault::Keys(sort, keys))
        .collect()
}

/// A command on one config file and nothing else.
fn on_file<'g>(git: &'g Git, file: &Path) -> Invocation<'g> {
    git.outside().args(["config", "--file"]).args([file])
}

/// What stands in a config file, includes not followed; none if git can't read it.
fn values(git: &Git, file: &Path) -> Result<Option<Values>> {
    if !fs::metadata_if_there(file)?
        .is_some_and(|metadata| metadata.len() <= CONFIG_MAX && metadata.is_file())
    {
        return Ok(None);
    }
    let listed = on_file(git, file)
        .args(["--no-includes", "--list", "-z"])
        .run_allowing(&[1, 3, 128], "read the shared config", &mut |_| ())?;
    Ok((listed.code == 0).then(|| parse(&listed.stdout)))
}

/// Reads `config --list -z`: `key\nvalue\0`, or `key\0` where nothing is said but the name.
fn parse(bytes: &[u8]) -> Values {
    let owned = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let mut found = Values::new();
    for record in bytes
        .split(|byte| *byte == 0)
        .filter(|record| !record.is_empty())
    {
        let at = record.iter().position(|byte| *byte == b'\n');
        let (key, value) = match at {
            Some(at) => (&record[..at], &record[at + 1..]),
            None => (record, &b"true"[..]),
        };
        found.entry(owned(key)).or_default().push(owned(value));
    }
    found
}

/// Whether a git that reads the config, as agents' do, works at all: a value of the wrong kind is
/// found in no list of keys. `rev-parse` starts no program.
fn is_readable(git: &Git, repository: &Path) -> Result<bool> {
    let asked = git.within(repository).args(["rev-parse", "--git-dir"]);
    let asked = asked.run_allowing(&[128, 129], "read the shared config", &mut |_| ())?;
    Ok(asked.code == 0)
}

/// Whether something is there that git would obey: more than comments, samples and empty
/// directories.
fn is_obeyed(path: &Path) -> Result<bool> {
    let Some(metadata) = fs::metadata_if_there(path)? else {
        return Ok(false);
    };
    if metadata.is_dir() {
        let names = fs::list_dir_if_there(path)?.unwrap_or_default();
        for name in names {
            let sample = name.as_encoded_bytes().ends_with(b".sample");
            if !sample && !lfs::is_hook_at(&path.join(name))? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if !metadata.is_file() || metadata.len() > CONFIG_MAX {
        return Ok(true);
    }
    let text = fs::read_limited(path, CONFIG_MAX)?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .any(|line| !line.is_empty() && !line.starts_with(b"#")))
}

/// Gives `key` these values and no others.
fn set(git: &Git, config: &Path, key: &OsStr, values: &[OsString]) -> Result<()> {
    on_file(git, config)
        .args(["--unset-all"])
        .args([key])
        .run_allowing(&[5], "put the shared config right", &mut |_| ())?;
    for value in values {
        on_file(git, config)
            .args(["--add"])
            .args([key, value])
            .run("put the shared config right")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(made: &[u8], now: &[u8]) -> Vec<String> {
        differences(&parse(made), &parse(now))
            .iter()
            .map(Fault::to_string)
            .collect()
    }

    #[test]
    fn only_what_is_not_as_it_was_made_is_told() {
        let made = b"core.bare\nfalse\0remote.origin.url\nx\0gpg.program\nmine\0";
        assert!(found(made, made).is_empty());
        let more = [&made[..], b"branch.a.merge\nrefs/heads/a\0user.name\nA\0"].concat();
        assert!(found(made, &more).is_empty());
        let changed = b"core.bare\0remote.origin.url\ny\0url.https://a:secret@h/.insteadof\nx\0";
        let told = found(made, changed);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].ends_with("core.bare"));
        assert!(told[1].ends_with("remote.origin.url"));
        assert!(
            told[2].ends_with("gpg.program, url.https://h/.insteadof"),
            "{}",
            told[2]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            differences(&parse(&bytes), &parse(b""));
        }
    }
}
