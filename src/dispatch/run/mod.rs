//! A run on disk: `<workspace>/.repo-pool/dispatch/<run>/`.
//!
//! | file | what |
//! |---|---|
//! | `run.lock` | held by the dispatcher for its life |
//! | `tasks.json` | the tasks as they were read last, with the digests of their files |
//! | `events.jsonl` | what happened: appended by who holds the lock, read by anybody |
//! | `closing.jsonl` | what happened when the run was ended and that could not be read any more |
//! | `rules.json` | the rules and agent pools of the last dispatcher, for who looks at the run |
//! | `control.jsonl` | what people want: appended by anybody, taken up by who holds the lock |
//! | `attempts/<task>/<n>/` | one attempt's files |
//!
//! Where a task stands is in no file: it is what the events add up to.

pub mod control;
pub mod document;
pub mod events;
mod follow;
mod read;
mod terms;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dispatch::files::Source;
use crate::domain::dispatch::ids;
use crate::domain::{Error, Result};
use crate::store::Workspace;
use crate::store::layout::MARKER;
use crate::store::locks::named;
use crate::sys::fs;
use crate::sys::lock::{self, FileLock};

pub use document::Document;
pub use follow::Follower;
pub use read::{Each, Replayed, Seen};
pub use terms::Terms;

/// The place of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    name: String,
    path: PathBuf,
}

/// What a dispatcher was about to start when it was killed has the run until it begins.
const LAST_MOMENT: Duration = Duration::from_millis(500);

impl RunDir {
    /// The run of these files (absolute paths): the same files, the same run.
    pub fn of_files(workspace: &Workspace, files: &[PathBuf]) -> Self {
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        Self::at(Self::all_in(workspace), name_of(&files))
    }

    /// Those of its files that it was begun with: others that have joined it come after them.
    pub fn begun_with<'f>(&self, files: &'f [Source]) -> &'f [Source] {
        &files[..beginning(&self.name, files).unwrap_or(files.len())]
    }

    /// The name of the run that these files of it are run as since it was moved aside; none if it was
    /// not.
    pub fn replaced_by(&self, files: &[Source]) -> Option<&str> {
        let (before, _) = self.name.rsplit_once('.')?;
        let is_theirs = |name| beginning(name, files).is_some();
        (!is_theirs(&self.name) && is_theirs(before)).then_some(before)
    }

    fn at(parent: PathBuf, name: String) -> Self {
        Self {
            path: parent.join(&name),
            name,
        }
    }

    /// The directory of all runs.
    pub fn all_in(workspace: &Workspace) -> PathBuf {
        workspace.root().join(MARKER).join("dispatch")
    }

    /// All runs that there are, the one in which something happened last first.
    pub fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        let parent = Self::all_in(workspace);
        let names = fs::list_dir_if_there(&parent)?.unwrap_or_default();
        let mut found = Vec::new();
        for name in names {
            let Ok(name) = name.into_string() else {
                continue;
            };
            let run = Self::at(parent.clone(), name);
            if run.has_begun()? {
                let changed = fs::metadata_if_there(&run.events())?;
                found.push((changed.and_then(|file| file.modified().ok()), run));
            }
        }
        found.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.name.cmp(&other.1.name)));
        Ok(found.into_iter().map(|(_, run)| run).collect())
    }

    /// The run that `name` means, which may be the beginning of its name; without one that in which
    /// something happened last.
    pub fn find(workspace: &Workspace, name: Option<&str>) -> Result<Self> {
        let all = Self::all(workspace)?;
        let Some(name) = name else {
            let newest = all.into_iter().next();
            return newest.ok_or_else(|| {
                Error::not_found("there is no run yet")
                    .with_hint("`repo-pool dispatch run FILE` begins one")
            });
        };
        let names: Vec<String> = all.iter().map(|run| run.name.clone()).collect();
        let mut fitting: Vec<Self> = all
            .into_iter()
            .filter(|run| run.name.starts_with(name))
            .collect();
        if let Some(exact) = fitting.iter().position(|run| run.name == name) {
            return Ok(fitting.swap_remove(exact));
        }
        match fitting.len() {
            1 => Ok(fitting.swap_remove(0)),
            0 => {
                Err(Error::not_found(format!("there is no run {name:?}")).with_hint(known(&names)))
            }
            _ => {
                let names: Vec<&str> = fitting.iter().map(Self::name).collect();
                let names = names.join(", ");
                Err(
                    Error::usage(format!("{name:?} means several runs: {names}"))
                        .with_hint("write out more of the name"),
                )
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tasks.
    pub fn tasks(&self) -> PathBuf {
        self.path.join("tasks.json")
    }

    /// What its last dispatcher worked by.
    fn terms(&self) -> PathBuf {
        self.path.join("rules.json")
    }

    /// What happened.
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// What happened in its end, if the events can't be read.
    fn closing(&self) -> PathBuf {
        self.path.join("closing.jsonl")
    }

    /// What people want.
    pub fn control(&self) -> PathBuf {
        self.path.join("control.jsonl")
    }

    fn control_lock(&self) -> PathBuf {
        self.path.join("control.lock")
    }

    /// The figures for Prometheus.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.prom")
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("run.lock")
    }

    /// The directory of one attempt of a task.
    pub fn attempt(&self, task: &str, attempt: u32) -> PathBuf {
        let attempts = self.path.join("attempts").join(ids::encoded(task));
        attempts.join(attempt.to_string())
    }

    /// The directories of all attempts that there are.
    pub fn attempts(&self) -> Vec<PathBuf> {
        let in_ = |dir: &PathBuf| {
            let names = fs::list_dir_if_there(dir).ok().flatten();
            let dir = dir.clone();
            let names = names.unwrap_or_default().into_iter();
            names.map(move |name| dir.join(name))
        };
        let tasks: Vec<PathBuf> = in_(&self.path.join("attempts")).collect();
        tasks.iter().flat_map(in_).collect()
    }

    /// The last attempt of every task that has had one: its number and its directory.
    pub fn last_attempts(&self) -> Result<Vec<(u32, PathBuf)>> {
        let attempts = self.path.join("attempts");
        let mut last = Vec::new();
        for task in fs::list_dir_if_there(&attempts)?.unwrap_or_default() {
            let dir = attempts.join(task);
            let names = fs::list_dir_if_there(&dir)?.unwrap_or_default();
            let numbers = names.iter().filter_map(|name| name.to_str()?.parse().ok());
            last.extend(numbers.max().map(|n: u32| (n, dir.join(n.to_string()))));
        }
        Ok(last)
    }

    /// What an attempt's runner is called, whatever runs it.
    pub fn runner(&self, task: &str, attempt: u32) -> String {
        ids::runner(&self.name, task, attempt)
    }

    /// Takes the run for this process, and makes its directory if it is new.
    ///
    /// # Errors
    /// [`Error::RunHeld`], if another process has it.
    pub fn take(&self) -> Result<FileLock> {
        fs::create_private_dir_all(&self.path)?;
        // Whoever only says something has the run for a moment: that is no other dispatcher.
        let _silence = control::silence(self)?;
        let lock = FileLock::acquire(&self.lock_file(), LAST_MOMENT, &mut || {})?;
        lock.map_err(|_| Error::RunHeld {
            run: self.name.clone(),
            holder: self.dispatcher().map(named),
        })
    }

    /// The same; none if another process has it.
    pub fn try_take(&self) -> Result<Option<FileLock>> {
        FileLock::try_acquire(&self.lock_file())
    }

    /// The process that has the run; none if none has, or if it can't be seen from here.
    pub fn dispatcher(&self) -> Option<u32> {
        lock::holder(&self.lock_file())
    }

    /// Whether a dispatcher has had it.
    pub fn has_begun(&self) -> Result<bool> {
        Ok(fs::metadata_if_there(&self.tasks())?.is_some())
    }

    /// Moves the run aside, to `<run>.<n>`, so that it begins anew. The caller has it.
    pub fn move_aside(&self) -> Result<Self> {
        let parent = self.path.parent().unwrap_or(&self.path).to_owned();
        let mut n = 1;
        loop {
            let old = Self::at(parent.clone(), format!("{}.{n}", self.name));
            if fs::metadata_if_there(&old.path)?.is_none() {
                fs::rename_noreplace(&self.path, &old.path)?;
                return Ok(old);
            }
            n += 1;
        }
    }
}

fn name_of(files: &[&Path]) -> String {
    let stem = files.first().and_then(|file| file.file_stem());
    let stem = stem.unwrap_or_default().to_string_lossy();
    let paths = files.iter().map(|file| file.as_os_str().as_bytes());
    let digest = ids::digest(&paths.collect::<Vec<_>>().join(&0));
    // A quarter of the digest is plenty, and names are typed by people.
    format!("{}-{:08x}", ids::encoded(&stem), digest as u32)
}

/// How many of a run's files, the first ones, it has that name from.
fn beginning(name: &str, files: &[Source]) -> Option<usize> {
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    (1..=paths.len()).find(|count| name_of(&paths[..*count]) == name)
}

/// What there is instead of a run that is not.
fn known(names: &[String]) -> String {
    match names {
        [] => "`repo-pool dispatch run FILE` begins one".to_owned(),
        names => format!("there is {}", names.join(", ")),
    }
}
