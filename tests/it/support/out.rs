//! What a finished command left: its code, its output, and the questions tests ask of them.

use super::schemas;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A finished command.
#[derive(Debug, Default)]
pub struct Out {
    /// The exit code; 128+N when signal N ended it.
    pub code: i32,
    /// stdout, byte for byte.
    pub raw: Vec<u8>,
    /// stdout as text.
    pub stdout: String,
    /// stderr as text.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
    /// The command line, for messages.
    pub shown: String,
}

impl Out {
    /// It must have ended with exit code 0.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        self.code(0)
    }

    /// It must have ended with this exit code.
    #[track_caller]
    pub fn code(&self, wanted: i32) -> &Self {
        self.one_of(&[wanted])
    }

    /// It must have ended with one of these exit codes.
    #[track_caller]
    pub fn one_of(&self, wanted: &[i32]) -> &Self {
        assert!(
            wanted.contains(&self.code),
            "wanted exit code {wanted:?}, got {}\n{self}",
            self.code
        );
        assert!(!self.stderr.contains("panicked at"), "it panicked\n{self}");
        self
    }

    /// stdout must be empty.
    #[track_caller]
    pub fn silent(&self) -> &Self {
        assert!(self.raw.is_empty(), "stdout is not empty\n{self}");
        self
    }

    /// It was given up because something said nothing for so many seconds; less, if other things had
    /// taken of them.
    #[track_caller]
    pub fn was_silent_for(&self, limit: f64) -> &Self {
        let told = self
            .stderr
            .split_once("no progress for ")
            .map(|(_, rest)| rest);
        let time = told.and_then(|rest| rest.split_once(" s")?.0.parse::<f64>().ok());
        let time = time.unwrap_or_else(|| panic!("nothing was given up: {self}"));
        assert!(time > 0.0 && time <= limit, "{self}");
        self
    }

    /// stderr must contain this text.
    #[track_caller]
    pub fn says(&self, text: impl AsRef<str>) -> &Self {
        let text = text.as_ref();
        assert!(
            self.stderr.contains(text),
            "stderr does not say {text:?}\n{self}"
        );
        self
    }

    /// Neither output may contain this text.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Self {
        assert!(
            !self.stderr.contains(text) && !self.stdout.contains(text),
            "it says {text:?}\n{self}"
        );
        self
    }

    /// Nothing in either output may drive a terminal or turn the text's direction.
    #[track_caller]
    pub fn harmless(&self) -> &Self {
        let harmful =
            |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!self.stdout.chars().any(harmful), "{:?}", self.stdout);
        assert!(!self.stderr.chars().any(harmful), "{:?}", self.stderr);
        self
    }

    /// stdout must be exactly one line which is an existing absolute directory; this is it.
    #[track_caller]
    pub fn path(&self) -> PathBuf {
        let line = self
            .stdout
            .strip_suffix('\n')
            .unwrap_or_else(|| panic!("stdout does not end with a newline\n{self}"));
        assert!(!line.contains('\n'), "stdout is not one line\n{self}");
        let path = PathBuf::from(line);
        assert!(path.is_absolute(), "not an absolute path\n{self}");
        assert!(path.is_dir(), "not a directory\n{self}");
        path
    }

    /// stdout must be exactly one JSON document, of those that are published; this is it.
    #[track_caller]
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not one JSON document: {e}\n{self}"));
        schemas::assert_published(&value);
        value
    }

    /// stdout must be one of the published JSON documents a line; these are they.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                let value = serde_json::from_str(line)
                    .unwrap_or_else(|e| panic!("not JSON: {e}: {line}\n{self}"));
                schemas::assert_published(&value);
                value
            })
            .collect()
    }

    /// stderr must hold a JSON error document; this is its `error`.
    #[track_caller]
    pub fn error(&self) -> Value {
        let start = if self.stderr.starts_with('{') {
            0
        } else {
            self.stderr
                .find("\n{")
                .unwrap_or_else(|| panic!("no JSON on stderr\n{self}"))
        };
        let value: Value = serde_json::from_str(&self.stderr[start..])
            .unwrap_or_else(|e| panic!("stderr is not a JSON document: {e}\n{self}"));
        schemas::assert_is("error", &value);
        value["error"].clone()
    }

    /// The JSON error must be of this kind.
    #[track_caller]
    pub fn kind(&self, kind: &str) -> &Self {
        assert_eq!(self.error()["kind"], kind, "{self}");
        self
    }
}

impl std::fmt::Display for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "--- {} (exit {}, {:.3} s)\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.shown,
            self.code,
            self.took.as_secs_f64(),
            self.stdout,
            self.stderr
        )
    }
}
