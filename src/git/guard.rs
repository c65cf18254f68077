//! What an agent can write into the repository's shared config, and what must not come of it.
//!
//! Hooks, fsmonitor and the like are overridden for every command. Filters have names of their own,
//! so they have to be looked for.

use std::path::Path;

use super::Git;
use crate::sys::fs;

/// Arguments that switch off every filter that the shared config or the slot's own defines. A config that mentions
/// neither filters nor includes, as the pool wrote it, costs one read of a small file.
pub fn without_filters(git: &Git, repository: &Path, own: &Path) -> Vec<String> {
    let mut args = off_in(git, &repository.join("config"));
    args.extend(off_in(git, &own.join("config.worktree")));
    args
}

fn off_in(git: &Git, file: &Path) -> Vec<String> {
    let is_file = fs::metadata_if_there(file)
        .is_ok_and(|found| found.is_some_and(|metadata| metadata.is_file()));
    if !is_file {
        return Vec::new();
    }
    let text = fs::read_if_there(file).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
    let mut args = Vec::new();
    if text.contains("excludesfile") || text.contains("attributesfile") || text.contains("include")
    {
        // What an agent has declared ignored would be deleted unsaved.
        args.extend(
            [
                "-c",
                "core.excludesFile=/dev/null",
                "-c",
                "core.attributesFile=/dev/null",
            ]
            .map(str::to_owned),
        );
    }
    if !text.contains("filter") && !text.contains("include") {
        return args;
    }
    let listed = git
        .bare()
        .args(["config", "--includes", "--name-only", "-z", "--file"])
        .args([file])
        .args(["--get-regexp", r"^filter\."])
        .run_allowing(&[1, 128], "list filters", &mut |_| ());
    let names = listed
        .map(|output| filters(&output.stdout))
        .unwrap_or_default();
    let off = |name: &String| {
        ["clean=", "smudge=", "process=", "required=false"]
            .map(|setting| ["-c".to_owned(), format!("filter.{name}.{setting}")])
            .concat()
    };
    args.extend(names.iter().flat_map(off));
    args
}

/// The names in `filter.<name>.<key>`, each once.
fn filters(listed: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = String::from_utf8_lossy(listed)
        .split('\0')
        .filter_map(|key| key.strip_prefix("filter.")?.rsplit_once('.'))
        .map(|(name, _)| name.to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #[test]
    fn filters_are_named_once_whatever_their_keys() {
        let listed = b"filter.a.b.clean\0filter.a.b.smudge\0filter.x.process\0";
        assert_eq!(super::filters(listed), ["a.b", "x"]);
    }
}
