//! What texts of the configuration may hold. Pure; each says what is wrong, to follow the value.

use crate::domain::ports::PortRange;

/// A pattern of paths that cleaning leaves: it is handed to git as an exclude pattern.
pub(super) fn keep_pattern(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(why.to_string());
    if text.trim().is_empty() {
        wrong("is empty")
    } else if text.starts_with('/') {
        wrong("is absolute; patterns are relative to the slot")
    } else if text.split('/').any(|part| part == "..") || text.contains("..") {
        wrong("holds \"..\"")
    } else if text.starts_with('!') || text.starts_with('-') {
        wrong("begins with '!' or '-'")
    } else if text.chars().any(char::is_control) {
        wrong("holds control characters")
    } else {
        Ok(())
    }
}

/// A directory of the repository, as a sparse checkout in git's cone mode takes it.
pub(super) fn directory(text: &str) -> Result<(), String> {
    let parts = || text.trim_end_matches('/').split('/');
    if text.trim().is_empty() {
        Err("is empty".into())
    } else if text.starts_with('/') {
        Err("is absolute; directories are relative to the repository".into())
    } else if parts()
        .any(|part| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git"))
    {
        Err("has a part that no directory of a repository has".into())
    } else if let Some(c) = text
        .chars()
        .find(|c| "*?[]\\!#".contains(*c) || c.is_control())
    {
        Err(format!("holds {c:?}: directories are named, not patterns"))
    } else {
        Ok(())
    }
}

/// What a partial clone leaves out. Commits and trees are needed for everything that a pool does.
pub(super) fn filter(text: &str) -> Result<(), String> {
    let is_size = |size: &str| {
        let digits = size
            .strip_suffix(['k', 'm', 'g', 'K', 'M', 'G'])
            .unwrap_or(size);
        !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match text.strip_prefix("blob:limit=") {
        Some(size) if is_size(size) => Ok(()),
        Some(_) => Err("has no size".into()),
        None if text == "blob:none" => Ok(()),
        None => Err("is no filter that leaves out contents of files only".into()),
    }
}

/// A path below a directory, which it can't leave.
pub(super) fn path_inside(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(why.to_string());
    let mut parts = text.trim_end_matches('/').split('/');
    if text.trim().is_empty() {
        wrong("is empty")
    } else if text.starts_with('/') {
        wrong("is absolute; paths are relative")
    } else if text.chars().any(char::is_control) {
        wrong("holds control characters")
    } else if text.split('/').any(|part| part == "..") {
        wrong("holds \"..\"")
    } else if parts.any(|part| part.is_empty() || part == "." || part.eq_ignore_ascii_case(".git"))
    {
        wrong("has a part that is empty, \".\" or \".git\"")
    } else {
        Ok(())
    }
}

/// A text that says something, in one line.
pub(super) fn word(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("is empty".into())
    } else if text.chars().any(char::is_control) {
        Err("holds control characters".into())
    } else {
        Ok(())
    }
}

/// A path that starts at the root.
pub(super) fn absolute(text: &str) -> Result<(), String> {
    word(text)?;
    match text.starts_with('/') {
        true => Ok(()),
        false => Err("is not absolute".into()),
    }
}

/// What a process can be given: an argument, or a variable's value.
pub(super) fn variable(text: &str) -> Result<(), String> {
    match text.contains('\0') {
        true => Err("holds a zero byte".into()),
        false => Ok(()),
    }
}

/// A command line for a shell.
pub(super) fn command(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("is empty".into())
    } else if text.contains('\0') {
        Err("holds a zero byte".into())
    } else {
        Ok(())
    }
}

/// A branch name, in git's rules for references.
pub fn branch(text: &str) -> Result<(), String> {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    if text.is_empty() {
        Err("is empty".into())
    } else if text.starts_with('-') {
        Err("begins with '-'".into())
    } else if let Some(c) = text.chars().find(|c| forbidden(*c)) {
        Err(format!("holds {c:?}, which no branch name may"))
    } else if text.contains("..") || text.contains("@{") || text == "@" || text.ends_with('.') {
        Err("is no branch name".into())
    } else if text.split('/').any(wrong_component) {
        Err("has a part that no branch name may have".into())
    } else {
        Ok(())
    }
}

fn wrong_component(part: &str) -> bool {
    part.is_empty() || part.starts_with('.') || part.ends_with(".lock")
}

/// A range of ports.
pub(super) fn ports(text: &str) -> Result<(), String> {
    PortRange::parse(text).map(drop)
}

/// The one of `known` that `text` was probably meant to be.
pub fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters wrong is still a slip; more is another word. Long texts are no slips.
    let limit = (text.chars().count() / 3).max(1);
    if text.len() > 64 {
        return None;
    }
    known
        .map(|candidate| (distance(&text.to_lowercase(), candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_patterns_stay_inside_the_slot() {
        for good in ["node_modules/", "target/", "*.o", "a/b/**", ".cache"] {
            assert_eq!(keep_pattern(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "/etc", "../x", "a/..", "!x", "-x", "a\nb"] {
            assert!(keep_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn directories_are_named_and_inside() {
        for good in ["src", "src/", "a b/c", "docs/v1.0"] {
            assert_eq!(directory(good), Ok(()), "{good}");
        }
        for bad in [
            "", " ", "/", "/src", "..", "a/../b", "./a", "a//b", "*.c", "!a", ".git", "a\nb",
        ] {
            assert!(directory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn filters_leave_out_contents_only() {
        for good in [
            "blob:none",
            "blob:limit=0",
            "blob:limit=10k",
            "blob:limit=1M",
        ] {
            assert_eq!(filter(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "tree:0",
            "blob:limit=",
            "blob:limit=k",
            "blob:limit=-1",
            "sparse:oid=x",
        ] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn copied_paths_stay_where_they_belong() {
        for good in [".env", "config/local.json", "certs/", "a b", "...", "-x"] {
            assert_eq!(path_inside(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            " ",
            "/",
            "/etc",
            "..",
            "../x",
            "a/../b",
            "./x",
            "a//b",
            ".git",
            ".GIT/config",
            "a/.git",
            "a\nb",
        ] {
            assert!(path_inside(bad).is_err(), "{bad}");
        }
        assert!(command("npm ci").is_ok() && command("set -e\nmake\n").is_ok());
        assert!(command(" ").is_err() && command("a\0b").is_err());
    }

    #[test]
    fn branch_names_follow_the_rules_of_references() {
        for good in ["main", "release/1.2", "fix-3", "a@b"] {
            assert_eq!(branch(good), Ok(()), "{good}");
        }
        for bad in [
            "", "-d", "a b", "a..b", "a~1", "@", "a//b", "/a", "a/", ".a", "a.lock", "a.",
        ] {
            assert!(branch(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["num_slots", "lock_timeout", "jobs"];
        let find = |text| nearest(text, known.into_iter());
        assert_eq!(find("num_slot"), Some("num_slots"));
        assert_eq!(find("lock_timeuot"), Some("lock_timeout"));
        assert_eq!(find("Jobs"), Some("jobs"));
        assert_eq!(find("colour"), None);
    }
}
