//! What can be read of an index that git can't read any more.
//!
//! Contents that were staged are known to nothing else. So its entries are read as far as they make
//! sense, and those whose objects are there become a rescue, together with the file's bytes.

use super::capture::{self, Saved};
use super::scratch::{Scratch, verified};
use super::{Git, Oid, Worktree, rescue};
use crate::domain::Result;
use crate::domain::rescue::{Record, SavedIndex};
use crate::sys::fs;

/// The length of what stands before the object id of an entry.
const STAT: usize = 40;

/// Modes of what a tree can hold.
const MODES: [u32; 4] = [0o100_644, 0o100_755, 0o120_000, 0o160_000];

/// A file in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    /// When the file was last changed in any way, as the index has it: seconds and nanoseconds.
    pub(super) changed: (u32, u32),
    pub(super) path: Vec<u8>,
    object: Vec<u8>,
}

impl Entry {
    /// The id of its content.
    pub(super) fn object(&self) -> Oid {
        let digits = self.object.iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }
}

/// Saves what an unreadable index of the slot holds beyond the commit `known`; `None` if that is
/// nothing.
pub fn save(
    git: &Git,
    slot: &Worktree,
    known: &Oid,
    label: &str,
    mut record: Record,
) -> Result<Option<Saved>> {
    let file = slot.admin.join("index");
    if !fs::metadata_if_there(&file)?.is_some_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let bytes = fs::read_if_there(&file)?.unwrap_or_default();
    let scratch = Scratch::new(git, slot)?;
    let entries = present(&scratch, parse(&bytes, known.len() / 2))?;
    if entries.is_empty() {
        return Ok(None);
    }
    let tree = on_top_of(&scratch, known, &entries)?;
    let differing = rescue::changes(scratch.command(), &format!("{known}^{{tree}}"), &tree)?;
    if differing.is_empty() {
        return Ok(None);
    }
    let raw = capture::store(&scratch, &file)?;
    let listed = scratch
        .command()
        .stdin(format!("100644 blob {raw}\tindex\n").into_bytes())
        .args(["mktree"])
        .run("save the index")?;
    let all = verified(listed.text(), "mktree")?;
    let kept = scratch.commit(
        &all,
        std::slice::from_ref(known),
        "repo-pool: an unreadable index",
    )?;
    record.amounts.staged = differing.len() as u64;
    record.index = Some(SavedIndex {
        tree: tree.clone(),
        raw: None,
        commit: Some(kept.clone()),
    });
    let commit = scratch.commit(&tree, &[known.clone(), kept], &record.message()?)?;
    let id = rescue::new_id(label);
    scratch.publish(&commit, || rescue::set(git, &slot.common, &id, &commit))?;
    Ok(Some(Saved { id, commit, record }))
}

/// Those whose objects are there.
fn present(scratch: &Scratch<'_>, entries: Vec<Entry>) -> Result<Vec<Entry>> {
    let asked: String = entries
        .iter()
        .map(|entry| format!("{}\n", entry.object()))
        .collect();
    let output = scratch
        .command()
        .stdin(asked.into_bytes())
        .args(["cat-file", "--batch-check=%(objecttype)"])
        .run("look for staged contents")?;
    let text = output.text();
    let kinds = text.lines().map(|line| line == "blob");
    Ok(entries
        .into_iter()
        .zip(kinds)
        .filter_map(|(entry, is_blob)| is_blob.then_some(entry))
        .collect())
}

/// The tree of `known` with these entries in it: what was not read is as it was there.
fn on_top_of(scratch: &Scratch<'_>, known: &Oid, entries: &[Entry]) -> Result<Oid> {
    scratch
        .command()
        .args(["read-tree", known])
        .run("read a commit")?;
    let mut lines = Vec::new();
    for entry in entries {
        lines.extend_from_slice(format!("{:o} {}\t", entry.mode, entry.object()).as_bytes());
        lines.extend_from_slice(&entry.path);
        lines.push(0);
    }
    scratch
        .command()
        .stdin(lines)
        .args(["update-index", "-z", "--index-info"])
        .run("save what was staged")?;
    scratch.write_tree()
}

/// Reads the entries without conflicts of an index file, versions 2 to 4, until something makes no
/// sense.
pub(super) fn parse(bytes: &[u8], id_length: usize) -> Vec<Entry> {
    let (Some(b"DIRC"), Some(version @ 2..=4), Some(count)) =
        (bytes.get(..4), number(bytes, 4), number(bytes, 8))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut at = 12;
    let mut path = Vec::new();
    for _ in 0..count {
        let Some((entry, stage, next)) = entry(bytes, at, id_length, version, &path) else {
            break;
        };
        path.clone_from(&entry.path);
        if stage == 0 {
            found.push(entry);
        }
        at = next;
    }
    found
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The entry at `at`, its stage, and where the next begins. `before` is the path of the one before.
fn entry(
    bytes: &[u8],
    at: usize,
    id_length: usize,
    version: u32,
    before: &[u8],
) -> Option<(Entry, u8, usize)> {
    let mode = number(bytes, at + 24)?;
    let changed = (number(bytes, at)?, number(bytes, at + 4)?);
    let id = bytes.get(at + STAT..at + STAT + id_length)?;
    let flags = bytes.get(at + STAT + id_length..at + STAT + id_length + 2)?;
    let extended = version > 2 && flags[0] & 0x40 != 0;
    let mut name_at = at + STAT + id_length + if extended { 4 } else { 2 };
    let mut path = Vec::new();
    if version == 4 {
        let (dropped, length) = varint(bytes.get(name_at..)?)?;
        path.extend_from_slice(before.get(..before.len().checked_sub(dropped)?)?);
        name_at += length;
    }
    let rest = bytes.get(name_at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    path.extend_from_slice(&rest[..end]);
    let next = match version {
        4 => name_at + end + 1,
        // Padded with one to eight NULs.
        _ => at + (name_at + end - at + 8) / 8 * 8,
    };
    let entry = Entry {
        mode,
        changed,
        object: id.to_vec(),
        path,
    };
    let sound = MODES.contains(&mode) && is_path(&entry.path);
    sound.then_some((entry, flags[0] >> 4 & 3, next))
}

/// Whether git would take it for a path.
fn is_path(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/')
        .all(|part| !matches!(part, b"" | b"." | b"..") && !part.eq_ignore_ascii_case(b".git"))
}

/// A number as version 4 writes it, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value: usize = 0;
    for (n, byte) in bytes.iter().take(5).enumerate() {
        value = (value << 7) + usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
        value += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An index of version 2 with these paths.
    fn index(paths: &[&str]) -> Vec<u8> {
        let mut bytes = b"DIRC\0\0\0\x02".to_vec();
        bytes.extend(u32::try_from(paths.len()).unwrap().to_be_bytes());
        for path in paths {
            let start = bytes.len();
            bytes.extend([0; 24]);
            bytes.extend(0o100_644_u32.to_be_bytes());
            bytes.extend([0; 12]);
            bytes.extend([0x11; 20]);
            bytes.extend([0, path.len() as u8]);
            bytes.extend(path.as_bytes());
            bytes.push(0);
            while !(bytes.len() - start).is_multiple_of(8) {
                bytes.push(0);
            }
        }
        bytes
    }

    #[test]
    fn entries_are_read_until_the_damage() {
        let whole = index(&["a", "deep/er/path", "b"]);
        let paths = |bytes: &[u8]| -> Vec<String> {
            let entries = parse(bytes, 20);
            assert!(
                entries
                    .iter()
                    .all(|entry| entry.object() == "11".repeat(20))
            );
            let path = |entry: Entry| String::from_utf8(entry.path).unwrap();
            entries.into_iter().map(path).collect()
        };
        assert_eq!(paths(&whole), ["a", "deep/er/path", "b"]);
        assert_eq!(paths(&whole[..whole.len() - 20]), ["a", "deep/er/path"]);
        assert_eq!(paths(b"garbage"), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400), version in 2..5_u8) {
            parse(&bytes, 20);
            let mut begun = vec![b'D', b'I', b'R', b'C', 0, 0, 0, version, 0, 0, 0, 9];
            begun.extend(bytes);
            parse(&begun, 20);
            parse(&begun, 32);
        }
    }
}
