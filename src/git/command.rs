//! How git is started: which program, in which environment, within which time.
//!
//! - Inherited `GIT_DIR`, `GIT_WORK_TREE`, `GIT_INDEX_FILE` and the like beat every argument, so no
//!   `GIT_*` variable reaches a child but those that the module `environment` keeps.
//! - The shared config, which an agent can write to, is not read: see the module `view`. Hooks,
//!   fsmonitor, automatic gc and the `ext::` transport are off, whatever the user's config says.
//! - Nobody can be asked: no terminal prompt, stdin is empty.
//! - Every child runs in a process group of its own and is ended with it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::environment::{config_files, environments, safe_path, secret_environment};
use super::failure::failure;
use super::locked::Obstacles;
use super::output::Output;
use super::view;
use crate::domain::{Error, Result, remote};
use crate::sys::clock::Deadline;
use crate::sys::lock::FileLock;
use crate::sys::process::{Command, Ended, Finished, Limits};

/// Settings that hold against any config file.
const OVERRIDES: [&str; 18] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.pager=cat",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "advice.addEmbeddedRepo=false",
    "core.untrackedCache=false",
    // Less than all of this overlooks edits that keep size and time.
    "core.trustctime=true",
    "core.checkStat=default",
    "core.ignoreStat=false",
    // Pointers, whoever has git-lfs installed.
    "filter.lfs.clean=",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
];

/// A git command that has ended, for `-vv`.
pub struct Trace<'a> {
    /// The command line, without secrets.
    pub command: &'a str,
    /// How long it ran.
    pub duration: Duration,
    /// Its exit code, if it had one.
    pub exit_code: Option<i32>,
}

type Tracer = Arc<dyn Fn(&Trace<'_>) + Send + Sync>;

/// The git program and the conditions under which it runs. Cheap to clone.
#[derive(Clone)]
pub struct Git {
    program: Arc<Path>,
    local: Arc<[(OsString, OsString)]>,
    network: Arc<[(OsString, OsString)]>,
    tracer: Tracer,
    silence: Duration,
    patience: Duration,
}

impl Git {
    /// Finds git on the `PATH` of `environment`; entries that are not absolute are passed over, so
    /// that a `PATH` with `.` in it runs nothing from the current directory.
    pub fn find(environment: &[(OsString, OsString)], tracer: Tracer) -> Result<Self> {
        let path = environment
            .iter()
            .find(|(key, _)| key == "PATH")
            .map(|(_, value)| value.clone());
        let search = safe_path(path.as_deref());
        let program = which::which_in_global("git", Some(&search))
            .ok()
            .and_then(|mut found| found.next())
            .ok_or_else(|| {
                Error::failed("git was not found on the PATH")
                    .with_hint("install git, or put it on the PATH")
            })?;
        let (local, network) = environments(environment, &search);
        Ok(Self {
            program: program.into(),
            local: local.into(),
            network: network.into(),
            tracer,
            silence: Duration::from_secs(300),
            patience: Duration::from_secs(300),
        })
    }

    /// The same git with other limits: `silence` is how long a command that talks to a remote or
    /// fills a tree may show no progress, `patience` how long any other may take.
    #[must_use]
    pub fn limited(&self, silence: Duration, patience: Duration) -> Self {
        Self {
            silence,
            patience,
            ..self.clone()
        }
    }

    /// A command on the pool's repository at `repository`, through the view that nobody else writes
    /// to.
    pub fn repository(&self, repository: &Path) -> Invocation<'_> {
        self.within(&view::path(repository))
    }

    /// A command on the repository whose files lie in `git_dir`, with its own config.
    pub(crate) fn within(&self, git_dir: &Path) -> Invocation<'_> {
        let mut invocation = self.bare();
        invocation.args.push(joined("--git-dir=", git_dir));
        invocation.cwd = Some(git_dir.to_owned());
        invocation
    }

    /// A command that must not see any repository, wherever it is run: the config of the one
    /// around the current directory is not the caller's to answer for.
    pub fn outside(&self) -> Invocation<'_> {
        let mut invocation = self.bare();
        invocation.args.push("--git-dir=/dev/null".into());
        invocation.shown_from += 1;
        invocation
    }

    /// A command on no repository in particular.
    pub fn bare(&self) -> Invocation<'_> {
        Invocation {
            git: self,
            args: OVERRIDES
                .iter()
                .flat_map(|setting| ["-c".into(), OsString::from(setting)])
                .collect(),
            shown_from: OVERRIDES.len() * 2,
            env: [("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_LAZY_FETCH", "1")]
                .map(|(key, value)| (key.into(), value.into()))
                .to_vec(),
            cwd: None,
            lock: None,
            network: false,
            limit: Limit::Patience,
            url: None,
            stdin: None,
            stdin_file: None,
        }
    }

    /// The files outside of the repository that can say how files are checked out.
    pub fn config_files(&self) -> Vec<PathBuf> {
        config_files(&self.local)
    }

    /// The value that the caller's environment has for a variable of the network's.
    pub(crate) fn network_variable(&self, name: &str) -> Option<&OsStr> {
        self.network
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// How long commands that talk to a remote may be silent.
    pub(crate) fn silence(&self) -> Duration {
        self.silence
    }

    /// The same git with another limit for commands that talk to a remote.
    #[must_use]
    pub fn silent_for(&self, silence: Duration) -> Self {
        self.limited(silence, self.patience)
    }
}

enum Limit {
    Patience,
    Silence,
    Until(Deadline),
}

/// One git command being put together.
pub struct Invocation<'g> {
    git: &'g Git,
    args: Vec<OsString>,
    shown_from: usize,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    lock: Option<&'g FileLock>,
    network: bool,
    limit: Limit,
    url: Option<&'g remote::RemoteUrl>,
    stdin: Option<Vec<u8>>,
    stdin_file: Option<std::fs::File>,
}

impl<'g> Invocation<'g> {
    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the child's environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.into(), value.as_ref().to_owned()));
        self
    }

    /// Runs in `dir`.
    #[must_use]
    pub fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = Some(dir.to_owned());
        self
    }

    /// Marks a command that changes a slot: the child inherits the slot's lock as its stdin, so the
    /// lock outlives a killed parent for as long as git works on. One that is given something to read
    /// gets it as its stdout, and must print nothing.
    #[must_use]
    pub fn holding(mut self, lock: Option<&'g FileLock>) -> Self {
        self.lock = lock;
        self
    }

    /// Allows the caller's settings for reaching remotes, and hands over a secret in the URL by
    /// environment: never on the command line, where every user of the machine could read it.
    #[must_use]
    pub fn network(mut self, url: &'g remote::RemoteUrl) -> Self {
        self.network = true;
        self.url = Some(url);
        self.limit = Limit::Silence;
        self
    }

    /// Gives these bytes to the command's stdin.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// Gives a file to the command's stdin.
    pub fn stdin_from(mut self, path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
        self.stdin_file = Some(file);
        Ok(self)
    }

    /// Runs in the environment of commands that talk to a remote, without talking to one.
    #[must_use]
    pub fn with_network_settings(mut self) -> Self {
        self.network = true;
        self
    }

    /// The command may take as long as it shows progress.
    #[must_use]
    pub fn while_progressing(mut self) -> Self {
        self.limit = Limit::Silence;
        self
    }

    /// The command must end by `deadline`.
    #[must_use]
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.limit = Limit::Until(deadline);
        self
    }

    /// Runs it; anything but exit code 0 is an error that says `context` ("fetch pool x").
    pub fn run(self, context: &str) -> Result<Output> {
        self.run_allowing(&[], context, &mut |_| ())
    }

    /// The same, with the exit codes in `also` taken for success and stderr shown as it comes.
    pub fn run_allowing(
        self,
        also: &[i32],
        context: &str,
        on_stderr: &mut dyn FnMut(&[u8]),
    ) -> Result<Output> {
        let shown = self.shown();
        let secrets = self
            .url
            .and_then(|url| url.secret())
            .map(remote::secrets)
            .unwrap_or_default();
        let mut obstacles = Obstacles::default();
        let finished = loop {
            let finished = self.start(on_stderr, &shown, context)?;
            let over = finished.status.success() || finished.ended.is_some();
            if over || !obstacles.cleared(&finished.stderr)? {
                break finished;
            }
        };
        let exit_code = finished.status.code();
        match (exit_code, &finished.ended) {
            (_, Some(Ended::Signal(signal))) => Err(Error::Interrupted(*signal)),
            (Some(code), None) if code == 0 || also.contains(&code) => Ok(Output {
                stdout: finished.stdout,
                stderr: finished.stderr,
                code,
            }),
            _ => Err(failure(context, shown, &secrets, &finished)),
        }
    }

    fn start(
        &self,
        on_stderr: &mut dyn FnMut(&[u8]),
        shown: &str,
        context: &str,
    ) -> Result<Finished> {
        let failed = |e| Error::io("start", &*self.git.program, e);
        let environment = if self.network {
            &self.git.network
        } else {
            &self.git.local
        };
        let mut command = Command::new(&*self.git.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(environment.iter().cloned())
            .envs(self.env.iter().cloned())
            .limits(self.limits())
            .sweeping(self.url.is_some())
            .on_stderr(on_stderr);
        if let Some(url) = self.url {
            command.envs(secret_environment(url, environment));
        }
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        match (&self.stdin, &self.stdin_file, self.lock) {
            (Some(bytes), _, Some(lock)) => command
                .stdin_bytes(bytes.clone())
                .stdout_file(lock.inheritable().map_err(failed)?),
            (Some(bytes), _, None) => command.stdin_bytes(bytes.clone()),
            (None, Some(file), _) => command.stdin_file(file.try_clone().map_err(failed)?.into()),
            (None, None, Some(lock)) => command.stdin_file(lock.inheritable().map_err(failed)?),
            (None, None, None) => &mut command,
        };
        let finished = command.run().map_err(|source| Error::Failed {
            message: format!(
                "{context}: cannot start {}: {source}",
                self.git.program.display()
            ),
            hint: None,
        })?;
        (self.git.tracer)(&Trace {
            command: shown,
            duration: finished.duration,
            exit_code: finished.status.code(),
        });
        Ok(finished)
    }

    fn limits(&self) -> Limits {
        let grace = Duration::from_secs(1);
        match self.limit {
            Limit::Patience => Limits {
                deadline: Some(Deadline::after(self.git.patience)),
                silence: None,
                grace,
            },
            Limit::Silence => Limits {
                deadline: None,
                silence: Some(self.git.silence),
                grace,
            },
            Limit::Until(deadline) => Limits {
                deadline: Some(deadline),
                silence: None,
                grace,
            },
        }
    }

    /// The command line for people: without the overrides that every command has.
    fn shown(&self) -> String {
        let mut text = String::from("git");
        for arg in &self.args[self.shown_from..] {
            text.push(' ');
            text.push_str(&arg.to_string_lossy());
        }
        text
    }
}

/// `prefix` and `path` as one argument.
pub(crate) fn joined(prefix: &str, path: &Path) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}
