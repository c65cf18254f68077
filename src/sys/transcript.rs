//! What a command prints, kept in a file of bounded size: its beginning as it comes, so that it can
//! be watched, and its end.

use std::collections::VecDeque;
use std::path::Path;

use super::fs::Appending;
use crate::domain::Result;

/// How much of the beginning is kept, and how much of the end, in bytes.
const HALF: usize = 500 * 1024;

/// How much is kept for a message, in bytes.
const WORDS: usize = 2 * 1024;

/// A file that is being written.
#[derive(Debug)]
pub struct Transcript {
    file: Option<Appending>,
    written: usize,
    tail: VecDeque<u8>,
    left_out: u64,
    words: VecDeque<u8>,
}

impl Transcript {
    /// Begins a file, in the place of an older one.
    pub fn begin(path: &Path) -> Result<Self> {
        Ok(Self {
            file: Some(Appending::new(path)?),
            written: 0,
            tail: VecDeque::new(),
            left_out: 0,
            words: VecDeque::new(),
        })
    }

    /// Takes what was printed. What can't be written is left out: that is no reason for the command to
    /// fail.
    pub fn take(&mut self, bytes: &[u8]) {
        keep_last(&mut self.words, bytes, WORDS);
        let room = HALF.saturating_sub(self.written).min(bytes.len());
        let (now, later) = bytes.split_at(room);
        if !now.is_empty() {
            self.write(now);
            self.written += now.len();
        }
        self.left_out += keep_last(&mut self.tail, later, HALF);
    }

    /// Writes the end, and gives the last words back.
    pub fn finish(mut self) -> String {
        if self.left_out > 0 {
            self.write(format!("\n[… {} bytes are left out …]\n", self.left_out).as_bytes());
        }
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        self.write(&tail);
        let words: Vec<u8> = self.words.into();
        String::from_utf8_lossy(&words).into_owned()
    }

    fn write(&mut self, bytes: &[u8]) {
        let written = self.file.as_mut().map(|file| file.append(bytes));
        if !matches!(written, Some(Ok(()))) {
            self.file = None;
        }
    }
}

/// Adds bytes at the end and drops what is too much at the beginning; tells how many went.
fn keep_last(kept: &mut VecDeque<u8>, bytes: &[u8], most: usize) -> u64 {
    let skipped = bytes.len().saturating_sub(most);
    kept.extend(&bytes[skipped..]);
    let over = kept.len().saturating_sub(most);
    kept.drain(..over);
    (skipped + over) as u64
}

/// The last lines of a text, without the empty ones.
pub fn last_lines(text: &str, count: usize) -> Vec<&str> {
    let lines = text.split(['\n', '\r']).map(str::trim_end);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs;

    #[test]
    fn little_is_kept_whole_and_much_is_cut_in_the_middle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("output");
        let mut transcript = Transcript::begin(&path).unwrap();
        transcript.take(b"one\n");
        assert_eq!(fs::read_if_there(&path).unwrap().unwrap(), b"one\n");
        transcript.take(b"two\n");
        assert_eq!(transcript.finish(), "one\ntwo\n");
        assert_eq!(fs::read_if_there(&path).unwrap().unwrap(), b"one\ntwo\n");

        let mut transcript = Transcript::begin(&path).unwrap();
        transcript.take(b"first\n");
        for _ in 0..100 {
            transcript.take(&[b'x'; 64 * 1024]);
        }
        transcript.take(b"\nlast\n");
        assert!(transcript.finish().ends_with("x\nlast\n"));
        let kept = fs::read_if_there(&path).unwrap().unwrap();
        assert!(kept.len() < 1 << 20, "{}", kept.len());
        assert!(kept.starts_with(b"first\nxx") && kept.ends_with(b"x\nlast\n"));
        let left_out = 100 * 64 * 1024 + 12 - 2 * HALF;
        let text = String::from_utf8(kept).unwrap();
        assert!(text.contains(&format!("[… {left_out} bytes are left out …]")));
    }

    #[test]
    fn the_last_lines_are_those_that_say_something() {
        assert_eq!(last_lines("a\n\nb \rc\n\n", 2), ["b", "c"]);
        assert_eq!(last_lines("a", 5), ["a"]);
        assert!(last_lines("\n", 5).is_empty());
    }
}
