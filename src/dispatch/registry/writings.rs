//! What this process has written into files that it watches, so that it does not take it for news.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// From which content (by its digest) to which other one a file was changed.
#[derive(Debug, Default)]
pub(super) struct Writings(Mutex<HashMap<PathBuf, Vec<(String, String)>>>);

impl Writings {
    /// A file is about to be changed so. Changes that follow each other count as one.
    pub(super) fn add(&self, path: &Path, from: String, to: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = all.entry(path.to_owned()).or_default();
        match of_file.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => of_file.push((from, to)),
        }
    }

    /// Whether nothing else led from the one content to the other. What came before is forgotten.
    pub(super) fn lead(&self, path: &Path, from: &str, to: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = all.remove(path).unwrap_or_default();
        of_file.iter().any(|own| own.0 == from && own.1 == to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_without_anybody_in_between_is_own() {
        let (writings, path) = (Writings::default(), Path::new("/r/taskset.json"));
        let add = |from: &str, to: &str| writings.add(path, from.to_owned(), to.to_owned());
        add("a", "b");
        add("b", "c");
        assert!(!writings.lead(Path::new("/r/other"), "a", "c"));
        assert!(writings.lead(path, "a", "c"));
        assert!(!writings.lead(path, "a", "c"), "forgotten");
        add("c", "d");
        // Somebody else has made an x of it.
        add("x", "e");
        assert!(!writings.lead(path, "c", "e"));
        add("e", "f");
        assert!(writings.lead(path, "e", "f"));
    }
}
