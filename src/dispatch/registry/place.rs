//! Where the parts of a registry are.

use std::path::{Path, PathBuf};

use crate::domain::dispatch::ids;

/// The files of one spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The tasks and their states.
    pub tasks: PathBuf,
    /// Who changes anything holds this.
    pub lock: PathBuf,
    /// What happened.
    pub events: PathBuf,
}

impl Place {
    /// Those of the spec whose tasks are in this file: `<root>/tasksets/<spec>/taskset.json`,
    /// `<root>/<spec>/taskset.json`, or a lone file, whose directory is the root.
    pub fn of(file: &Path, spec: &str) -> Self {
        let parent = file.parent().unwrap_or(Path::new("/"));
        let own = parent.file_name().is_some_and(|name| name == spec);
        let root = match parent.parent().filter(|_| own) {
            Some(above) if above.ends_with("tasksets") => above.parent().unwrap_or(above),
            Some(above) => above,
            None => parent,
        };
        // What is no name for a file must not lead elsewhere.
        let harmless = !matches!(spec, "." | "..") && !spec.contains(['/', '\0']);
        let name = match harmless && spec.len() < 200 {
            true => spec.to_owned(),
            false => ids::encoded(spec),
        };
        Self {
            tasks: file.to_owned(),
            lock: root.join("locks").join(format!("{name}.lock")),
            events: root.join("events").join(name).join("events.jsonl"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_each_layout() {
        for file in [
            "/r/tasksets/login/taskset.json",
            "/r/login/taskset.json",
            "/r/taskset.json",
        ] {
            let place = Place::of(Path::new(file), "login");
            assert_eq!(place.tasks, Path::new(file));
            assert_eq!(place.lock, Path::new("/r/locks/login.lock"), "{file}");
            assert_eq!(place.events, Path::new("/r/events/login/events.jsonl"));
        }
    }

    #[test]
    fn a_spec_leads_nowhere_else() {
        for spec in ["../../etc", "..", "a/b", &"x".repeat(300)] {
            let place = Place::of(Path::new("/r/taskset.json"), spec);
            assert_eq!(place.lock.parent(), Some(Path::new("/r/locks")), "{spec}");
            let events = place.events.parent().and_then(Path::parent);
            assert_eq!(events, Some(Path::new("/r/events")), "{spec}");
        }
    }
}
