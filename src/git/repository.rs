//! A pool's bare repository: how it is made, and what is taken over from a user's own.

use std::path::{Path, PathBuf};

use super::{Git, Oid, view};
use crate::domain::{Error, Result};
use crate::sys::fs;

/// Settings of a user's repository that its slots should have too: who commits, and how it is
/// signed.
const TAKEN_OVER: &str = r"^(user\..*|gpg\..*|commit\.gpgsign|tag\.gpgsign)$";

/// What a pool's repository that is made anew takes over from its own old config.
const KEPT: &str = r"^(user\..*|gpg\..*|commit\.gpgsign|tag\.gpgsign|branch\..*\.(remote|merge))$";

/// A name and value of a git configuration.
pub type Setting = (String, String);

/// Makes the bare repository that all slots of a pool share, and the view of it that the tool's own
/// git uses. Objects are named as `example` is.
pub fn init(
    git: &Git,
    path: &Path,
    url: &str,
    example: Option<&Oid>,
    settings: &[Setting],
) -> Result<()> {
    init_bare(git, path, example)?;
    view::make(git, path, url, example, settings)?;
    let made = view::config_as_made(path)?.unwrap_or_default();
    write_config(path, &made)
}

/// A bare repository with nothing in it but what git needs.
pub fn init_bare(git: &Git, path: &Path, example: Option<&Oid>) -> Result<()> {
    let format = if example.is_some_and(|oid| oid.len() == 64) {
        "sha256"
    } else {
        "sha1"
    };
    git.bare()
        .cwd(path.parent().unwrap_or(path))
        .args(["-c", "init.defaultRefFormat=files"])
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
    Ok(())
}

/// Writes the config that all slots share, and the one of the repository itself.
///
/// Should an agent switch worktree configs on, a `core.bare` in the shared config would make every
/// slot look bare. So they are on from the start, with `core.bare` where it belongs.
pub fn write_config(repository: &Path, shared: &[u8]) -> Result<()> {
    let own = section("core.bare", "true");
    for (name, bytes) in [("config.worktree", own.as_bytes()), ("config", shared)] {
        fs::write_atomic(&repository.join(name), bytes, fs::Durability::Durable)?;
    }
    Ok(())
}

/// The config that all slots share, from the one that git makes.
///
/// The fetch refspec is what a bare clone lacks; `logAllRefUpdates` keeps agents' branches
/// traceable; automatic gc is off because it could delete what is being saved meanwhile.
pub fn shared_config(init: &str, url: &str, settings: &[Setting]) -> String {
    let own = [
        ("core.logAllRefUpdates", "true"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("remote.origin.url", url),
        ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
    ];
    let own = own.iter().map(|(key, value)| section(key, value));
    let taken = settings.iter().map(|(key, value)| section(key, value));
    let sections: String = own.chain(taken).collect();
    init.replace("\tbare = true\n", "") + &sections + &section("extensions.worktreeConfig", "true")
}

/// The config of a slot that stands alone: the shared one as the pool made it, with what the pool
/// knows of the slot's branch.
pub(super) fn clone_config(made: &str, tracking: &[Setting]) -> String {
    made.replace(&section("extensions.worktreeConfig", "true"), "")
        + &section("core.bare", "false")
        + &as_sections(tracking)
}

/// The settings as a config file has them.
pub(super) fn as_sections(settings: &[Setting]) -> String {
    let sections = settings.iter().map(|(key, value)| section(key, value));
    sections.collect()
}

/// The config of the tool's own git. The remote stands in it for those filters of the user's that
/// have to know it (LFS); it is never fetched from by name. Of `settings`, it has what is about the
/// remote.
pub fn private_config(init: &str, url: &str, settings: &[Setting]) -> String {
    let own = [
        ("core.logAllRefUpdates", "true"),
        ("remote.origin.url", url),
    ];
    let settings = settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let remote = settings.filter(|(key, _)| key.starts_with("remote.origin."));
    let sections: String = own
        .into_iter()
        .chain(remote)
        .map(|(key, value)| section(key, value))
        .collect();
    init.to_owned() + &sections
}

/// The config of a submodule's repository, from the one that git makes. Where its files are is not
/// said: git finds it from there, wherever the slot lies.
pub fn module_config(init: &str, url: &str) -> String {
    let own = [
        ("core.logAllRefUpdates", "true"),
        ("submodule.active", "."),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("remote.origin.url", url),
        ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
    ];
    let sections: String = own.iter().map(|(key, value)| section(key, value)).collect();
    init.replace("\tbare = true\n", "\tbare = false\n") + &sections
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
        .run(&format!("find the repository of {}", path.display()))
        .map_err(|error| match error {
            Error::Git { failure, .. } if failure.stderr.contains("not a git repository (") => {
                Error::failed(format!("{} lies in no git repository", path.display()))
                    .with_hint("give a path in one, or a pool's name (`repo-pool list`)")
            }
            other => other,
        })?;
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

/// What slots keep of a config file that may be damaged: who commits, and what branches track.
pub fn settings_in(git: &Git, file: &Path) -> Result<Vec<Setting>> {
    let found = git
        .outside()
        .args(["config", "--file"])
        .args([file])
        .args(["-z", "--get-regexp", KEPT])
        .run_allowing(&[1, 2, 3, 128], "read the old config", &mut |_| ())?;
    Ok(parse_settings(&found.stdout))
}

/// Everything that a config file of ours says.
pub fn all_settings_in(git: &Git, file: &Path) -> Result<Vec<Setting>> {
    let found = git
        .outside()
        .args(["config", "--file"])
        .args([file])
        .args(["-z", "--list"])
        .run("read the slot's config")?;
    Ok(parse_settings(&found.stdout))
}

/// Reads `config -z --get-regexp` or `--list`: `key\nvalue\0`.
fn parse_settings(bytes: &[u8]) -> Vec<Setting> {
    String::from_utf8_lossy(bytes)
        .split('\0')
        .filter_map(|record| record.split_once('\n'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Makes `branch` track the remote's branch `upstream`, as `git switch` would.
///
/// The config is shared by all slots and git fails at once when another process has it locked, so
/// this is tried again for a moment.
pub fn track(git: &Git, repository: &Path, branch: &str, upstream: &str) -> Result<()> {
    for (key, value) in [
        ("remote", "origin".to_owned()),
        ("merge", format!("refs/heads/{upstream}")),
    ] {
        let name = format!("branch.{branch}.{key}");
        let mut tries = 0;
        loop {
            let set = git
                .outside()
                .args(["config", "--file"])
                .args([repository.join("config")])
                .args([&name, &value])
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
