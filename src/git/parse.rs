//! Parsers of what git prints: bytes in, values out, no failure on any input.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Oid, oid_or_none};

/// A ref and the object it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// The full name; bytes that are no UTF-8 are replaced.
    pub name: String,
    /// The object id.
    pub oid: Oid,
}

/// What `ls-remote --symref` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteRefs {
    /// The branch that the remote's HEAD points to, if it points to one.
    pub head_branch: Option<String>,
    /// The commit of the remote's HEAD.
    pub head: Option<Oid>,
    /// The refs that were asked for, as the remote has them.
    pub refs: Vec<Ref>,
}

/// Reads `ls-remote --symref`.
pub fn ls_remote(bytes: &[u8]) -> RemoteRefs {
    let mut found = RemoteRefs::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some((value, name)) = line.split_once('\t') else {
            continue;
        };
        if let (Some(target), "HEAD") = (value.strip_prefix("ref: "), name) {
            found.head_branch = target.strip_prefix("refs/heads/").map(str::to_owned);
        } else if let Some(oid) = oid_or_none(value) {
            if name == "HEAD" {
                found.head = Some(oid);
            } else {
                found.refs.push(Ref {
                    name: name.to_owned(),
                    oid,
                });
            }
        }
    }
    found
}

/// Reads lines of `<oid> <refname>`, as `for-each-ref --format='%(objectname) %(refname)'` prints.
pub fn refs(bytes: &[u8]) -> Vec<Ref> {
    String::from_utf8_lossy(bytes)
        .lines()
        .filter_map(|line| {
            let (oid, name) = line.split_once(' ')?;
            Some(Ref {
                oid: oid_or_none(oid)?,
                name: name.to_owned(),
            })
        })
        .collect()
}

/// Reads a registration's `gitdir`: the worktree's directory.
pub fn linked(bytes: &[u8]) -> Option<PathBuf> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let dir = line.strip_suffix(b"/.git")?;
    dir.starts_with(b"/")
        .then(|| PathBuf::from(OsStr::from_bytes(dir)))
}

/// What the HEAD file of a repository says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// It points to this ref (full name).
    Symbolic(String),
    /// It is detached at this commit.
    Detached(Oid),
}

/// Reads a HEAD file; `None` if it is damaged.
pub fn head(bytes: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\n');
    match text.strip_prefix("ref:") {
        Some(name) => {
            let name = name.trim();
            (name.starts_with("refs/") && !name.contains(char::is_whitespace))
                .then(|| Head::Symbolic(name.to_owned()))
        }
        None => oid_or_none(text).map(Head::Detached),
    }
}

/// The object ids that a reflog file says HEAD has had, newest last, without repetitions.
pub fn reflog(bytes: &[u8]) -> Vec<Oid> {
    let mut found: Vec<Oid> = Vec::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let mut words = line.split(' ');
        for word in [words.next(), words.next()].into_iter().flatten() {
            if let Some(oid) = oid_or_none(word)
                && oid.bytes().any(|b| b != b'0')
                && !found.contains(&oid)
            {
                found.push(oid);
            }
        }
    }
    found
}

/// The branches that a reflog file says were checked out ("checkout: moving from A to B").
pub fn checked_out(bytes: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some((_, message)) = line.split_once('\t') else {
            continue;
        };
        let Some(rest) = message.strip_prefix("checkout: moving from ") else {
            continue;
        };
        let Some((from, to)) = rest.split_once(" to ") else {
            continue;
        };
        for name in [from, to] {
            if !name.is_empty() && !super::is_oid(name) && !found.iter().any(|seen| seen == name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// The objects that are new in what `diff-tree --raw -z` without renames prints. Those of submodules
/// are in other repositories.
pub fn new_objects(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut records = bytes.split(|byte| *byte == 0);
    std::iter::from_fn(move || {
        let record = records.next()?;
        // Its path.
        records.next();
        Some(record)
    })
    .filter_map(|record| {
        let mut words = record.strip_prefix(b":")?.split(|byte| *byte == b' ');
        let (mode, object) = (words.nth(1)?, words.nth(1)?);
        (mode != b"000000" && mode != b"160000").then_some(object)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    #[test]
    fn ls_remote_tells_head_and_branches() {
        let text = format!(
            "ref: refs/heads/main\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/main\n{B}\trefs/heads/x/y\n"
        );
        let found = ls_remote(text.as_bytes());
        assert_eq!(found.head_branch.as_deref(), Some("main"));
        assert_eq!(found.head.as_deref(), Some(A));
        assert_eq!(found.refs.len(), 2);
        assert_eq!(ls_remote(b"").head, None);
    }

    #[test]
    fn damaged_heads_are_told_from_good_ones() {
        assert_eq!(
            head(b"ref: refs/heads/a\n"),
            Some(Head::Symbolic("refs/heads/a".into()))
        );
        assert_eq!(
            head(format!("{A}\n").as_bytes()),
            Some(Head::Detached(A.into()))
        );
        for bad in [&b""[..], b"\n", b"ref: ../../x", b"1234", b"\xff\xfe"] {
            assert_eq!(head(bad), None);
        }
    }

    #[test]
    fn a_reflog_names_commits_and_branches() {
        let zero = "0".repeat(40);
        let text = format!(
            "{zero} {A} n <e> 1 +0000\tcommit: x to y\n{A} {B} n <e> 1 +0000\tcheckout: moving from main to topic\n"
        );
        assert_eq!(reflog(text.as_bytes()), [A, B]);
        assert_eq!(checked_out(text.as_bytes()), ["main", "topic"]);
    }

    #[test]
    fn new_objects_are_those_that_are_there_afterwards() {
        let (a, b, none) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        let text = format!(
            ":100644 100644 {a} {b} M\0:odd\0:100644 000000 {a} {none} D\0gone\0\
             :000000 160000 {none} {a} A\0sub\0:000000 040000 {none} {a} A\0dir\0"
        );
        let found: Vec<_> = new_objects(text.as_bytes()).collect();
        assert_eq!(found, [b.as_bytes(), a.as_bytes()]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_a_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            ls_remote(&bytes);
            refs(&bytes);
            head(&bytes);
            reflog(&bytes);
            checked_out(&bytes);
        }
    }
}
