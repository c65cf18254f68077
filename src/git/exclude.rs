//! Paths that git in every slot ignores, so that nobody adds them by accident: what the pool itself
//! puts into slots.
//!
//! They stand in `info/exclude`, which all slots share (a slot that stands alone has its own) and
//! anybody may edit. What somebody else has written there stays. The tool's own git reads another one
//! ([`super::view`]).

use std::path::{Path, PathBuf};

use super::view;
use crate::domain::Result;
use crate::sys::fs::{self, Durability};

/// What was written there last, beside the view.
const AS_MADE: &str = "exclude-as-made";

/// The largest file that is read, in bytes.
const MAX: u64 = 1024 * 1024;

/// Has these paths ignored, and no others that were before.
pub fn bring(repository: &Path, paths: &[String]) -> Result<()> {
    let (file, made) = (place(repository), as_made(repository));
    let text = text(paths);
    let now = read(&file);
    if now.as_deref().unwrap_or_default() == text.as_bytes() || !(is_ours(repository, &now)) {
        return Ok(());
    }
    let write = |path: &Path| fs::write_atomic(path, text.as_bytes(), Durability::RenameOnly);
    fs::create_private_dir_all(&repository.join("info"))?;
    // In this order it is never taken for somebody else's.
    fs::remove_file_if_there(&file)?;
    write(&made)?;
    write(&file)
}

/// Whether what stands there is as the pool wrote it.
pub fn is_as_made(repository: &Path) -> bool {
    let now = read(&place(repository));
    now.is_some() && now == read(&as_made(repository))
}

/// The same for a slot's own repository `to`, which is being made.
pub(super) fn hand_on(repository: &Path, to: &Path) -> Result<()> {
    match read(&as_made(repository)) {
        Some(text) => fs::write_atomic(&place(to), &text, Durability::RenameOnly),
        None => Ok(()),
    }
}

/// Whether nobody else has written anything there that git would obey.
fn is_ours(repository: &Path, now: &Option<Vec<u8>>) -> bool {
    let says_nothing = |text: &Vec<u8>| {
        let mut lines = text.split(|byte| *byte == b'\n');
        lines.all(|line| line.is_empty() || line.starts_with(b"#"))
    };
    now.as_ref().is_none_or(says_nothing) || is_as_made(repository)
}

fn place(repository: &Path) -> PathBuf {
    repository.join("info/exclude")
}

fn as_made(repository: &Path) -> PathBuf {
    view::path(repository).join(AS_MADE)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read_limited(path, MAX).ok()
}

fn text(paths: &[String]) -> String {
    let mut text = String::new();
    if !paths.is_empty() {
        text.push_str("# `copy` in repo-pool's pools.toml brings these into every slot:\n");
    }
    for path in paths {
        text.push('/');
        for c in path.trim_end_matches('/').chars() {
            if matches!(c, '*' | '?' | '[' | '\\' | ' ') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_themselves() {
        let paths = [".env", "a b/c*[1]?.json", "certs/"].map(str::to_owned);
        let text = text(&paths);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["/.env", "/a\\ b/c\\*\\[1]\\?.json", "/certs"]);
        assert_eq!(super::text(&[]), "");
    }
}
