//! One attempt in a directory of its own, run by the launcher of local processes.

use crate::support::{alive, kill, until};
use repo_pool::dispatch::launcher::{Found, Job, Launcher};
use repo_pool::dispatch::local::Local;
use repo_pool::dispatch::local::order::Order;
use repo_pool::domain::dispatch::End;
use repo_pool::domain::dispatch::event::AttemptId;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A limit that only fires on a hang.
pub const LONG: Duration = Duration::from_secs(100);
/// One that is to fire.
pub const SHORT: Duration = Duration::from_millis(200);

pub struct Scene {
    _root: TempDir,
    pub job: Job,
    pub grace: Duration,
}

impl Scene {
    /// An attempt that runs this script.
    pub fn new(script: &str) -> Self {
        Self::of(&["sh", "-c", script])
    }

    /// One that runs this command.
    pub fn of(command: &[&str]) -> Self {
        let root = tempfile::Builder::new()
            .prefix("repo-pool-it-")
            .tempdir()
            .expect("a directory");
        let dir = root.path().join("attempt");
        let workdir = root.path().join("work");
        std::fs::create_dir(&dir).expect("a directory");
        std::fs::create_dir(&workdir).expect("a directory");
        let job = Job {
            runner: "rp-run-task-a1".into(),
            attempt: AttemptId {
                task: "task".into(),
                attempt: 1,
                token: 1,
            },
            dir,
            command: command.iter().map(ToString::to_string).collect(),
            workdir,
            slot: None,
            away: None,
            shared: Vec::new(),
            env: BTreeMap::new(),
            timeout: None,
            stall: None,
            heartbeat_timeout: LONG,
            log_limit: 1 << 30,
            cpu: 1000,
            memory: 0,
            holder: None,
        };
        Self {
            _root: root,
            job,
            grace: LONG,
        }
    }

    /// A dispatcher's launcher.
    pub fn launcher(&self) -> Local {
        Local::new(env!("CARGO_BIN_EXE_repo-pool"), self.grace)
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub fn run(&self) -> End {
        let launcher = self.launcher();
        let handle = launcher.start(&self.job).expect("it starts");
        launcher.wait(&self.job, &handle)
    }

    /// Starts it as a dispatcher does that is killed right afterwards: nobody is its parent.
    #[track_caller]
    pub fn orphan(&self) {
        let words = Order::of(&self.job, self.grace).words();
        let lock = File::create(self.job.dir.join("shim.lock")).expect("a lock file");
        flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("its lock");
        let mut starter = Command::new("sh");
        starter
            .args(["-c", "\"$@\" &", "sh"])
            .arg(env!("CARGO_BIN_EXE_repo-pool"))
            .args(words)
            .env("REPO_POOL_HEARTBEAT_FILE", self.job.dir.join("heartbeat"))
            .stdin(Stdio::null())
            .stdout(lock);
        assert!(starter.status().expect("a shell").success());
    }

    /// Waits until an orphan is gone, and says what is found then.
    #[track_caller]
    pub fn outlived(&self) -> Found {
        until("its lock is free", || {
            let lock = File::open(self.job.dir.join("shim.lock")).ok()?;
            // Shared: a child of another thread may have this descriptor for a moment longer.
            flock(&lock, FlockOperation::NonBlockingLockShared).ok()
        });
        self.found()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.job.workdir.join(name)
    }

    /// Waits for a file that the script writes, which names a process.
    #[track_caller]
    pub fn pid_in(&self, name: &str) -> u32 {
        let path = self.file(name);
        until(&format!("{name} tells a pid"), || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.strip_suffix('\n')?.parse().ok()
        })
    }

    /// The shim's pid, as its lock says.
    #[track_caller]
    pub fn shim(&self) -> u32 {
        until("the shim says who it is", || {
            let text = std::fs::read(self.job.dir.join("shim.lock")).ok()?;
            let stamp: serde_json::Value = serde_json::from_slice(&text).ok()?;
            Some(stamp["pid"].as_u64()? as u32)
        })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.job.dir.join("log")).expect("a log")
    }

    /// When the last heartbeat was.
    pub fn beat(&self) -> Option<std::time::SystemTime> {
        let metadata = std::fs::metadata(self.job.dir.join("heartbeat")).ok()?;
        metadata.modified().ok()
    }

    /// What another dispatcher finds.
    #[track_caller]
    pub fn found(&self) -> Found {
        self.launcher().find(&self.job).expect("it is found out")
    }
}

/// What a failed test leaves must not run on.
impl Drop for Scene {
    fn drop(&mut self) {
        let mark = format!("REPO_POOL_HEARTBEAT_FILE={}/", self.job.dir.display());
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        for process in processes {
            let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
            let mut variables = environ.split(|byte| *byte == 0);
            if variables.any(|variable| variable.starts_with(mark.as_bytes()))
                && let Some(pid) = process.file_name().to_str().and_then(|n| n.parse().ok())
            {
                kill(pid, Signal::KILL);
            }
        }
    }
}

/// Waits until this process is gone.
#[track_caller]
pub fn gone(pid: u32) {
    until("it is gone", || (!alive(pid)).then_some(()));
}
