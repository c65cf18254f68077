//! Single refs, as a repository's files say: that costs as much as reading a small file, and a git
//! takes milliseconds to start. What the files do not say plainly is for git to tell.

use std::cell::RefCell;
use std::path::Path;

use super::{Oid, oid_or_none, ref_files, refs};
use crate::domain::Result;
use crate::sys::fs;
use crate::sys::seen::Seen;

/// A larger `packed-refs` takes as long to read as a git to start.
const LARGEST: u64 = 4 << 20;

/// What the files say of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is at this object, which may be there or not.
    At(Oid),
    /// There is none of that name.
    Absent,
    /// It takes git to tell.
    Unclear,
}

/// A repository in which refs are looked up.
pub struct Lookup<'r> {
    repository: &'r Path,
    /// `packed-refs` as it was read last, and how it looked then.
    packed: RefCell<Option<(Option<Seen>, Packed)>>,
}

enum Packed {
    /// In order, so that a name is found by halving.
    Sorted(Vec<u8>),
    Unclear,
}

impl<'r> Lookup<'r> {
    /// Nothing is read yet.
    pub fn new(repository: &'r Path) -> Self {
        Self {
            repository,
            packed: RefCell::new(None),
        }
    }

    /// What a ref is at.
    pub fn tip(&self, name: &str) -> Result<Said> {
        if refs::check_name(name).is_err() || self.is_of_another_form()? {
            return Ok(Said::Unclear);
        }
        // In this order: one that is being packed is never in neither.
        match self.loose(name)? {
            Said::Absent => self.in_packed(name, |found| match found {
                Some((oid, found)) if found == name.as_bytes() => {
                    let oid = oid_or_none(&String::from_utf8_lossy(oid));
                    oid.map_or(Said::Unclear, Said::At)
                }
                _ => Said::Absent,
            }),
            other => Ok(other),
        }
    }

    /// Whether nothing is in the way of a ref `space` + `name`: git keeps refs as files, so that `a`
    /// and `a/b` can't both be there. False if it takes git to tell.
    pub fn has_room_for(&self, space: &str, name: &str) -> Result<bool> {
        for (at, _) in name.match_indices('/') {
            if self.tip(&format!("{space}{}", &name[..at]))? != Said::Absent {
                return Ok(false);
            }
        }
        let below = format!("{space}{name}/");
        let loose = fs::list_dir_if_there(&self.repository.join(&below));
        // What is no directory can't be listed: that is the ref itself.
        if !matches!(loose, Ok(names) if names.as_ref().is_none_or(Vec::is_empty)) {
            return Ok(false);
        }
        let packed = self.in_packed(&below, |found| match found {
            Some((_, found)) if found.starts_with(below.as_bytes()) => Said::Unclear,
            _ => Said::Absent,
        })?;
        Ok(packed == Said::Absent)
    }

    /// Whether refs are in no files of their own.
    fn is_of_another_form(&self) -> Result<bool> {
        Ok(fs::metadata_if_there(&self.repository.join("reftable"))?.is_some())
    }

    fn loose(&self, name: &str) -> Result<Said> {
        let path = self.repository.join(name);
        let Some(there) = fs::metadata_if_there(&path)?.filter(|there| !there.is_dir()) else {
            return Ok(Said::Absent);
        };
        if !there.is_file() {
            return Ok(Said::Unclear);
        }
        // One that has gone meanwhile was packed, or deleted.
        let Some(bytes) = fs::read_if_there(&path)? else {
            return Ok(Said::Absent);
        };
        let oid = oid_or_none(String::from_utf8_lossy(&bytes).trim());
        Ok(oid.map_or(Said::Unclear, Said::At))
    }

    /// What `judge` makes of the first packed ref that is not before `key`.
    fn in_packed(
        &self,
        key: &str,
        judge: impl FnOnce(Option<(&[u8], &[u8])>) -> Said,
    ) -> Result<Said> {
        let path = self.repository.join("packed-refs");
        let mut cached = self.packed.borrow_mut();
        let seen = Seen::of(&path)?;
        if cached.as_ref().is_none_or(|(before, _)| *before != seen) {
            *cached = Some((seen, read(&path)?));
        }
        Ok(match cached.as_ref() {
            Some((_, Packed::Sorted(bytes))) => judge(first_from(bytes, key.as_bytes())),
            _ => Said::Unclear,
        })
    }
}

fn read(path: &Path) -> Result<Packed> {
    let length = fs::metadata_if_there(path)?.map_or(0, |there| there.len());
    if length > LARGEST {
        return Ok(Packed::Unclear);
    }
    let bytes = ref_files::read_file(path)?;
    let head = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let sorted = head.starts_with(b"# pack-refs with:")
        && head
            .split(|byte| *byte == b' ')
            .any(|word| word == b"sorted");
    Ok(match bytes.is_empty() || sorted {
        true => Packed::Sorted(bytes),
        false => Packed::Unclear,
    })
}

/// The object and the name of the first ref that is not before `key`.
fn first_from<'b>(bytes: &'b [u8], key: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    // All lines that begin before `low` are of refs before the key, none that begins at `high` is.
    let (mut low, mut high) = (0, bytes.len());
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let mut start = start_of_line(bytes, middle);
        // What a tag leads to stands below it.
        while start > low && bytes[start] == b'^' {
            start = start_of_line(bytes, start - 1);
        }
        let line = bytes[start..].split(|byte| *byte == b'\n').next()?;
        let entry = match line.iter().position(|byte| *byte == b' ') {
            Some(blank) if !line.starts_with(b"#") => Some((&line[..blank], &line[blank + 1..])),
            _ => None,
        };
        match entry {
            Some((oid, name)) if name >= key => {
                found = Some((oid, name));
                high = start;
            }
            _ => low = end_of_line(bytes, middle) + 1,
        }
    }
    found
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter().position(|byte| *byte == b'\n');
    rest.map_or(bytes.len(), |rest| at + rest)
}

fn start_of_line(bytes: &[u8], at: usize) -> usize {
    let before = bytes[..at].iter().rposition(|byte| *byte == b'\n');
    before.map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn repository(packed: &[u8], loose: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::create_private_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write_public(&path, bytes).expect("a file");
        };
        if !packed.is_empty() {
            write("packed-refs", packed);
        }
        for (name, text) in loose {
            write(name, text.as_bytes());
        }
        dir
    }

    #[test]
    fn a_loose_ref_comes_before_a_packed_one_and_what_is_unclear_is_said() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let packed = format!(
            "# pack-refs with: peeled fully-peeled sorted \n\
             {one} refs/heads/a\n{one} refs/heads/b/c\n{one} refs/tags/v1\n^{two}\n"
        );
        let dir = repository(
            packed.as_bytes(),
            &[
                ("refs/heads/a", &format!("{two}\n")),
                ("refs/heads/s", "ref: x"),
            ],
        );
        let lookup = Lookup::new(dir.path());
        let tip = |name: &str| lookup.tip(name).expect("an answer");
        assert_eq!(tip("refs/heads/a"), Said::At(two.clone()));
        assert_eq!(tip("refs/heads/b/c"), Said::At(one.clone()));
        assert_eq!(tip("refs/tags/v1"), Said::At(one.clone()));
        assert_eq!(tip("refs/heads/b"), Said::Absent);
        assert_eq!(tip("refs/heads/s"), Said::Unclear);
        let room = |name: &str| lookup.has_room_for("refs/heads/", name).expect("an answer");
        assert_eq!(
            ["a/x", "b", "b/c/d", "b/d", "c", "c/d"].map(room),
            [false, false, false, true, true, true]
        );
        // It is read again once it has changed.
        fs::write_public(&dir.path().join("packed-refs"), b"").expect("a file");
        assert_eq!(tip("refs/heads/b/c"), Said::Absent);
        fs::create_private_dir_all(&dir.path().join("reftable")).expect("a directory");
        assert_eq!(tip("refs/heads/a"), Said::Unclear);
    }

    #[test]
    fn a_file_that_is_in_no_order_is_unclear() {
        let packed = format!(
            "# pack-refs with: peeled \n{} refs/heads/a\n",
            "1".repeat(40)
        );
        let dir = repository(packed.as_bytes(), &[]);
        let lookup = Lookup::new(dir.path());
        assert_eq!(lookup.tip("refs/heads/b").expect("it"), Said::Unclear);
    }

    proptest! {
        #[test]
        fn halving_finds_what_reading_all_finds(
            names in proptest::collection::btree_set("[a-c]{1,3}(/[a-c]{1,2})?", 0..30),
            peeled: u32,
            key in "[a-c]{1,3}(/[a-c]{0,2})?",
        ) {
            let all: BTreeMap<String, Oid> = (0..)
                .zip(&names)
                .map(|(n, name)| (format!("refs/{name}"), format!("{n:040}")))
                .collect();
            let mut text = String::new();
            for (n, line) in String::from_utf8(ref_files::to_packed(all.iter())).expect("text").lines().enumerate() {
                text.push_str(&format!("{line}\n"));
                if n > 0 && peeled & (1 << n) != 0 {
                    text.push_str(&format!("^{}\n", "f".repeat(40)));
                }
            }
            let key = format!("refs/{key}");
            let found = first_from(text.as_bytes(), key.as_bytes());
            let wanted = all.range(key..).next();
            prop_assert_eq!(
                found,
                wanted.map(|(name, oid)| (oid.as_bytes(), name.as_bytes()))
            );
        }

        #[test]
        fn no_bytes_break_the_search(bytes in proptest::collection::vec(any::<u8>(), 0..200), key: String) {
            first_from(&bytes, key.as_bytes());
        }
    }
}
