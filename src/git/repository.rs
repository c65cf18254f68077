//! A pool's bare repository: how it is made, and what is taken over from a user's own.

use std::path::{Path, PathBuf};

use super::{Git, Oid};
use crate::domain::{Error, Result};
use crate::sys::fs;

/// Settings of a user's repository that its slots should have too: who commits, and how it is
/// signed.
const TAKEN_OVER: &str = r"^(user\..*|gpg\..*|commit\.gpgsign|tag\.gpgsign)$";

/// A name and value of a git configuration.
pub type Setting = (String, String);

/// Makes the bare repository that all slots of a pool share. Objects are named as `example` is.
///
/// The fetch refspec is what a bare clone lacks; `logAllRefUpdates` keeps agents' branches
/// traceable; automatic gc is off because it could delete what is being saved meanwhile.
pub fn init(
    git: &Git,
    path: &Path,
    url: &str,
    example: Option<&Oid>,
    settings: &[Setting],
) -> Result<()> {
    let format = if example.is_some_and(|oid| oid.len() == 64) {
        "sha256"
    } else {
        "sha1"
    };
    git.bare()
        .cwd(path.parent().unwrap_or(path))
        .args([
            "init",
            "--quiet",
            "--bare",
            "--template=",
            "--initial-branch=repo-pool",
        ])
        .args([format!("--object-format={format}")])
        .args(["--"])
        .args([path])
        .run("make the pool's repository")?;
    let mut text =
        String::from_utf8_lossy(&fs::read_if_there(&path.join("config"))?.unwrap_or_default())
            .into_owned();
    for (key, value) in [
        ("core.logAllRefUpdates", "true"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("remote.origin.url", url),
        ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
    ] {
        text.push_str(&section(key, value));
    }
    for (key, value) in settings {
        text.push_str(&section(key, value));
    }
    // Should an agent switch worktree configs on, a `core.bare` in the shared config would make every
    // slot look bare. So they are on from the start, with `core.bare` where it belongs.
    let text = text.replace("\tbare = true\n", "") + &section("extensions.worktreeConfig", "true");
    fs::write_atomic(
        &path.join("config.worktree"),
        section("core.bare", "true").as_bytes(),
        fs::Durability::Durable,
    )?;
    fs::write_atomic(
        &path.join("config"),
        text.as_bytes(),
        fs::Durability::Durable,
    )
}

/// One setting as a section of a config file of its own.
fn section(key: &str, value: &str) -> String {
    let (Some(first), Some(last)) = (key.find('.'), key.rfind('.')) else {
        return String::new();
    };
    let head = if first == last {
        format!("[{}]", &key[..first])
    } else {
        format!("[{} {}]", &key[..first], quoted(&key[first + 1..last]))
    };
    format!("{head}\n\t{} = {}\n", &key[last + 1..], quoted(value))
}

fn quoted(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// A repository of a user's on this machine.
#[derive(Debug, Clone)]
pub struct LocalRepository {
    /// Its directory: the main work tree, or the repository itself if it is bare.
    pub path: PathBuf,
    /// The directory that was named; in a linked worktree, HEAD is another.
    pub asked: PathBuf,
    /// Its `origin`, if it has one; a local one as an absolute path.
    pub origin: Option<String>,
    /// What its slots should have too.
    pub settings: Vec<Setting>,
}

/// Finds the repository that `path` lies in.
///
/// # Errors
/// If there is none, or git refuses it (another user's); git's own words are kept.
pub fn local(git: &Git, path: &Path) -> Result<LocalRepository> {
    if !path.is_dir() {
        return Err(Error::failed(format!(
            "there is no directory {}",
            path.display()
        )));
    }
    let ask = |args: &[&str]| {
        git.bare()
            .cwd(path)
            .args(args)
            .run_allowing(&[1, 2, 128], "ask git", &mut |_| ())
    };
    let found = git
        .bare()
        .cwd(path)
        .args(["rev-parse", "--path-format=absolute", "--git-common-dir"])
        .run(&format!("find the repository of {}", path.display()))?;
    let common = PathBuf::from(found.text());
    let root = match common.file_name() {
        Some(name) if name == ".git" => common.parent().unwrap_or(&common).to_owned(),
        _ => common,
    };
    let origin = ask(&["remote", "get-url", "origin"])?;
    let origin = (origin.code == 0).then(|| absolute(&root, &origin.text()));
    let settings = ask(&["config", "--local", "-z", "--get-regexp", TAKEN_OVER])?;
    Ok(LocalRepository {
        path: root,
        asked: path.to_owned(),
        origin,
        settings: parse_settings(&settings.stdout),
    })
}

/// A relative local address is relative to the repository that has it as its remote.
fn absolute(root: &Path, url: &str) -> String {
    let remote = url.contains("://")
        || url
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/'));
    if remote || url.is_empty() {
        return url.to_owned();
    }
    let joined = root.join(url);
    joined
        .canonicalize()
        .unwrap_or(joined)
        .display()
        .to_string()
}

/// Reads `config -z --get-regexp`: `key\nvalue\0`.
fn parse_settings(bytes: &[u8]) -> Vec<Setting> {
    String::from_utf8_lossy(bytes)
        .split('\0')
        .filter_map(|record| record.split_once('\n'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

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
    for name in fs::list_dir_if_there(repository)?.unwrap_or_default() {
        if name.as_encoded_bytes().ends_with(b".lock")
            || name == "gc.pid"
            || name == "packed-refs.new"
        {
            found.locks.push(repository.join(name));
        }
    }
    locks_below(&repository.join("refs"), &mut found.locks)?;
    let pack = repository.join("objects/pack");
    for name in fs::list_dir_if_there(&pack)?.unwrap_or_default() {
        let name = name.to_string_lossy();
        if name.starts_with("tmp_") || name.starts_with(".tmp-") {
            found.temporary.push(pack.join(name.as_ref()));
        }
    }
    Ok(found)
}

fn locks_below(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for name in fs::list_dir_if_there(dir)?.unwrap_or_default() {
        let path = dir.join(&name);
        if name.as_encoded_bytes().ends_with(b".lock") {
            found.push(path);
        } else if path.is_dir() && !fs::is_symlink(&path)? {
            locks_below(&path, found)?;
        }
    }
    Ok(())
}

/// Makes `branch` track the remote's branch of the same name, as `git switch` would.
///
/// The config is shared by all slots and git fails at once when another process has it locked, so
/// this is tried again for a moment.
pub fn track(git: &Git, repository: &Path, branch: &str) -> Result<()> {
    for (key, value) in [
        ("remote", "origin".to_owned()),
        ("merge", format!("refs/heads/{branch}")),
    ] {
        let name = format!("branch.{branch}.{key}");
        let mut tries = 0;
        loop {
            let set = git
                .repository(repository)
                .args(["config", &name, &value])
                .run("set the tracking branch");
            match set {
                Err(Error::Git { failure, .. })
                    if failure.stderr.contains("could not lock") && tries < 20 =>
                {
                    tries += 1;
                    crate::sys::clock::pause(std::time::Duration::from_millis(10))?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_can_not_break_out_of_their_line() {
        assert_eq!(
            section("user.name", "a \"b\" \\ c\nd"),
            "[user]\n\tname = \"a \\\"b\\\" \\\\ c\\nd\"\n"
        );
        assert_eq!(
            section("remote.origin.url", "x"),
            "[remote \"origin\"]\n\turl = \"x\"\n"
        );
    }

    #[test]
    fn relative_remotes_become_absolute() {
        assert_eq!(
            absolute(Path::new("/nonexistent/a"), "../b"),
            "/nonexistent/a/../b"
        );
        assert_eq!(absolute(Path::new("/a"), "git@h:x"), "git@h:x");
        assert_eq!(absolute(Path::new("/a"), "https://h/x"), "https://h/x");
    }
}
