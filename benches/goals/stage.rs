//! Where it all happens: a directory, an environment that has nothing of the caller's, and the
//! running of commands by the clock.

use super::options::Options;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What goes wrong ends the run; the text says what it was.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Whatever takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a command came to.
pub struct Ran {
    /// From before its start to after its end.
    pub took: Duration,
    /// What it printed.
    pub stdout: String,
}

/// The directory and the environment of a run.
pub struct Stage<'a> {
    /// What is to be measured.
    pub options: &'a Options,
    scratch: TempDir,
}

impl<'a> Stage<'a> {
    /// Makes an empty one.
    pub fn set(options: &'a Options) -> Result<Self> {
        let scratch = match &options.dir {
            Some(dir) => {
                std::fs::create_dir_all(dir)?;
                TempDir::with_prefix_in("goals-", dir.canonicalize()?)?
            }
            None => TempDir::with_prefix("repo-pool-goals-")?,
        };
        let stage = Self { options, scratch };
        std::fs::create_dir(stage.path("home"))?;
        std::fs::write(
            stage.path("home/.gitconfig"),
            "[user]\n\tname = Bench\n\temail = bench@example.com\n\
             [init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n",
        )?;
        Ok(stage)
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Where repositories are made: kept for the next run if the caller named a directory.
    pub fn repositories(&self) -> PathBuf {
        match &self.options.dir {
            Some(dir) => dir.join("repositories"),
            None => self.path("repositories"),
        }
    }

    /// A command that sees nothing of the caller's settings.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.scratch.path())
            .stdin(Stdio::null());
        command
    }

    /// git in a directory.
    pub fn git(&self, dir: &Path, args: &[&str]) -> Result<Ran> {
        timed(self.command("git").arg("-C").arg(dir).args(args))
    }

    /// The program that is measured, with a workspace; its arguments are split at blanks.
    pub fn pool(&self, workspace: &Path, args: &str) -> Command {
        let mut command = self.command(&self.options.binary);
        command.arg("--quiet").arg("--workspace").arg(workspace);
        command.args(args.split_whitespace());
        command
    }

    /// What the disk asks for one small state that survives a crash: written, synced, renamed, its
    /// directory synced. No allocation can cost less.
    pub fn durable_write(&self) -> Result<Duration> {
        let (new, place) = (self.path("state.new"), self.path("state"));
        let start = Instant::now();
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&[b'x'; 2000])?;
        file.sync_all()?;
        std::fs::rename(&new, &place)?;
        std::fs::File::open(self.scratch.path())?.sync_all()?;
        Ok(start.elapsed())
    }

    /// Whether a command of the program knows an option yet.
    pub fn knows(&self, verb: &str, option: &str) -> bool {
        let help = self
            .command(&self.options.binary)
            .args([verb, "--help"])
            .output();
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(option))
    }
}

/// Runs a command to its end and by the clock. A failing one is an error.
pub fn timed(command: &mut Command) -> Result<Ran> {
    let start = Instant::now();
    let output = command.output()?;
    let took = start.elapsed();
    Ok(Ran {
        took,
        stdout: succeeded(command, output)?,
    })
}

/// What a command printed, if it succeeded.
pub fn succeeded(command: &Command, output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?}: {}\n{stderr}", output.status).into())
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !so()? {
        if start.elapsed() > PATIENCE {
            return Err(format!("waited in vain until {what}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Bytes on disk below a directory, hard links counted once.
pub fn disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut seen = std::collections::HashSet::new();
    let mut places = vec![dir.to_owned()];
    let mut bytes = 0;
    while let Some(place) = places.pop() {
        let Ok(meta) = place.symlink_metadata() else {
            continue;
        };
        if meta.nlink() == 1 || meta.is_dir() || seen.insert((meta.dev(), meta.ino())) {
            bytes += meta.blocks() * 512;
        }
        if meta.is_dir() {
            let entries = std::fs::read_dir(&place).into_iter().flatten().flatten();
            places.extend(entries.map(|entry| entry.path()));
        }
    }
    bytes
}
