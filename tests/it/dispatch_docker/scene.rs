//! Tasks for containers, and what they leave.

use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Waits for a file beside that of the tasks, which is where tasks without slots run.
pub const WAITS: &str = "until [ -e go ]; do sleep 0.05; done";

/// A task that has one attempt and runs this.
pub fn sh(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\nretries = 0\n{more}\n")
}

/// What in a directory belongs to somebody else.
pub fn foreign(dir: &Path) -> String {
    let uid = rustix::process::getuid().as_raw();
    let mut found = String::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.uid() != uid {
            found.push_str(&format!("{} of {}\n", path.display(), metadata.uid()));
        }
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).expect("its entries");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
    }
    found
}
