//! One test's world: a directory, a HOME, a git configuration, remotes and a workspace.

use super::helper::DEADLINE;
use super::invariants::working_in;
use super::{Args, Call, HeldLock, Helper, Out, Remote};
use serde_json::Value;
use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

thread_local! {
    static STRATEGY: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// `REPO_POOL_TEST_STRATEGY=clone` runs every test over pools of clones.
fn chosen_strategy() -> Option<&'static str> {
    let chosen = std::env::var("REPO_POOL_TEST_STRATEGY").ok()?;
    (chosen == "clone").then_some("clone")
}

/// Runs a scenario over pools of clones: every `create` in it asks for them.
pub fn over_clones(scenario: impl FnOnce()) {
    let before = STRATEGY.replace(Some("clone"));
    scenario();
    STRATEGY.set(before);
}

/// Everything a test touches, below one directory that goes with it.
pub struct World {
    root: TempDir,
    strategy: Option<&'static str>,
}

/// What deletes trash goes on when a test is over; the directory would be taken from under it.
impl Drop for World {
    fn drop(&mut self) {
        let start = std::time::Instant::now();
        while self.has_trash()
            && !working_in(self.root.path()).is_empty()
            && start.elapsed() < DEADLINE
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl World {
    /// Whether anything that was thrown away waits for being deleted.
    pub fn has_trash(&self) -> bool {
        let workspaces = std::fs::read_dir(self.root.path().join("ws"));
        let mut places = workspaces.into_iter().flatten().flatten();
        places.any(|place| {
            let trash = std::fs::read_dir(place.path().join("trash"));
            trash.is_ok_and(|mut trash| trash.next().is_some())
        })
    }

    /// A world with a HOME and a git identity, and no workspace yet.
    pub fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("repo-pool-it-")
            .tempdir()
            .expect("a temporary directory");
        let strategy = STRATEGY.get().or(chosen_strategy());
        let world = Self { root, strategy };
        std::fs::create_dir(world.home()).expect("a HOME");
        std::fs::write(
            world.home().join(".gitconfig"),
            "[user]\n\tname = Tester\n\temail = tester@example.com\n[init]\n\tdefaultBranch = main\n",
        )
        .expect("a git configuration");
        world
    }

    /// A world with a remote and a pool `p` of it with so many slots.
    #[track_caller]
    pub fn with_pool(slots: u32) -> (Self, Remote) {
        let world = Self::new();
        let remote = world.remote();
        world
            .pool(format!("create p {} -n {slots}", remote.url()))
            .ok();
        (world, remote)
    }

    /// A path in this world.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        let root = self.root.path().canonicalize().expect("the root");
        root.join(name)
    }

    /// The user's HOME.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The workspace every call uses unless the test says otherwise.
    pub fn workspace(&self) -> PathBuf {
        self.path("ws")
    }

    /// The directory of a pool.
    pub fn pool_dir(&self, pool: &str) -> PathBuf {
        self.workspace().join(pool)
    }

    /// The directory in which users work in a slot of pool `p`.
    pub fn slot_path(&self, slot: &str) -> PathBuf {
        self.pool_dir("p").join("worktrees").join(slot)
    }

    /// The directory in which a slot of pool `p` is now.
    pub fn slot_dir(&self, slot: &str) -> PathBuf {
        self.place(&self.slot_path(slot))
    }

    /// Where a slot is now whose path for users is `dir`: while it is idle, it is parked. Any other
    /// directory is where it is.
    pub fn place(&self, dir: &Path) -> PathBuf {
        let parked = || {
            let pool = dir.parent()?.parent()?;
            Some(pool.join("parked").join(dir.file_name()?))
        };
        match parked() {
            Some(parked) if !dir.exists() && parked.exists() => parked,
            _ => dir.to_owned(),
        }
    }

    /// The directory git keeps for a slot of pool `p`.
    pub fn admin_dir(&self, slot: &str) -> PathBuf {
        let own = self.slot_dir(slot).join(".git");
        match own.is_dir() {
            true => own,
            false => self.registration(slot),
        }
    }

    /// The directory that the pool's repository has for a slot of pool `p`.
    pub fn registration(&self, slot: &str) -> PathBuf {
        self.pool_dir("p").join("repo.git/worktrees").join(slot)
    }

    /// The pool's shared repository.
    pub fn bare(&self, pool: &str) -> PathBuf {
        self.pool_dir(pool).join("repo.git")
    }

    /// A fresh copy of the fixture repository.
    pub fn remote(&self) -> Remote {
        self.remote_named("remote")
    }

    /// A fresh copy of the fixture repository under this name.
    pub fn remote_named(&self, name: &str) -> Remote {
        Remote::copy_to(&self.path(format!("{name}.git")))
    }

    /// A remote of a few files, for tests that fill slots hundreds of times.
    pub fn small_remote(&self, name: &str) -> Remote {
        Remote::small_at(&self.path(format!("{name}.git")))
    }

    /// A clone of the remote such as a user has it, with `origin` set.
    #[track_caller]
    pub fn clone_of(&self, remote: &Remote, name: &str) -> PathBuf {
        let dir = self.path(name);
        let at = dir.display().to_string();
        self.git(&self.path(""), ["clone", "-q", &remote.dir(), &at]);
        dir
    }

    /// A command with this world's environment and nothing else.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.root.path());
        for key in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        command
            .env("HOME", self.home())
            .env("GIT_CONFIG_GLOBAL", self.home().join(".gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("REPO_POOL_WORKSPACE", self.workspace())
            .env("REPO_POOL", env!("CARGO_BIN_EXE_repo-pool"));
        command
    }

    /// The same for a shell that finds the binary on its `PATH`.
    pub fn shell(&self, program: &str) -> Command {
        let mut command = self.command(program);
        let binary = Path::new(env!("CARGO_BIN_EXE_repo-pool"));
        let mut places = vec![binary.parent().expect("its directory").to_owned()];
        let path = std::env::var_os("PATH").unwrap_or_default();
        places.extend(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(places).expect("a PATH"));
        command
    }

    /// A call of the binary, to be refined.
    pub fn call(&self, args: impl Args) -> Call {
        let mut command = self.command(env!("CARGO_BIN_EXE_repo-pool"));
        let args = args.args();
        command.args(&args);
        if let Some(strategy) = self.strategy
            && args.first().is_some_and(|verb| verb == "create")
        {
            command.args(["--strategy", strategy]);
        }
        Call::new(command)
    }

    /// Runs the binary.
    #[track_caller]
    pub fn pool(&self, args: impl Args) -> Out {
        self.call(args).run()
    }

    /// Runs a shell script; the binary is `$REPO_POOL`.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Out {
        let mut command = self.command("sh");
        command.args(["-c", script]);
        Call::new(command).run()
    }

    /// Writes `work.txt` so deep below `dir` that its path is longer than the system takes.
    #[track_caller]
    pub fn bury(&self, dir: &Path, content: &str) {
        let name = "d".repeat(200);
        self.sh(&format!(
            "cd '{}' && for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do \
             mkdir {name} && cd -P {name} || exit 1; done; printf '{content}' > work.txt",
            dir.display()
        ))
        .ok();
    }

    /// Where an idle slot of pool `p` lies.
    pub fn idle_dir(&self, slot: &str) -> PathBuf {
        let parked = self.pool_dir("p").join("parked").join(slot);
        match parked.exists() {
            true => parked,
            false => self.slot_dir(slot),
        }
    }

    /// Starts a shell in `cwd` that runs `script` and then waits until it is dropped.
    #[track_caller]
    pub fn helper(&self, cwd: &Path, script: &str) -> Helper {
        Helper::start(self.command("sh"), script, cwd)
    }

    /// Runs git, which must succeed; its stdout without the last newline.
    #[track_caller]
    pub fn git(&self, dir: &Path, args: impl Args) -> String {
        let out = self.try_git(dir, args);
        out.ok();
        out.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs git.
    #[track_caller]
    pub fn try_git(&self, dir: &Path, args: impl Args) -> Out {
        let mut command = self.command("git");
        command.args(args.args());
        Call::new(command).cwd(self.place(dir)).run()
    }

    /// Writes a file and commits it in a checkout; the new commit.
    #[track_caller]
    pub fn commit(&self, checkout: &Path, file: &str, content: &str) -> String {
        std::fs::write(checkout.join(file), content).expect("writing a file");
        self.git(checkout, ["add", "--", file]);
        self.git(checkout, ["commit", "-q", "-m", &format!("Change {file}")]);
        self.git(checkout, "rev-parse HEAD")
    }

    /// A new commit on the remote's main; its id.
    #[track_caller]
    pub fn push_commit(&self, remote: &Remote, file: &str, content: &str) -> String {
        self.push_to(remote, "refs/heads/main", file, content)
    }

    /// A new commit on a branch of the remote, which begins at main if it is new; its id.
    #[track_caller]
    pub fn push_to(&self, remote: &Remote, name: &str, file: &str, content: &str) -> String {
        let known = self.try_git(&remote.path, ["rev-parse", "-q", "--verify", name]);
        let from = if known.code == 0 {
            name
        } else {
            "refs/heads/main"
        };
        let parent = self.try_git(&remote.path, ["rev-parse", "-q", "--verify", from]);
        let from = match parent.code {
            0 => format!("from {}\n", parent.stdout.trim()),
            _ => String::new(),
        };
        let stream = format!(
            "commit {name}\ncommitter T <t@example.com> 1700001000 +0000\ndata 6\npushed\n{from}\
             M 100644 inline {file}\ndata {}\n{content}\n",
            content.len()
        );
        let mut command = self.command("git");
        command.args(["fast-import", "--quiet"]);
        Call::new(command)
            .cwd(&remote.path)
            .stdin(stream.as_bytes())
            .run()
            .ok();
        self.git(&remote.path, ["rev-parse", name])
    }

    /// The commit a ref of the remote names.
    #[track_caller]
    pub fn tip(&self, remote: &Remote, name: &str) -> String {
        self.git(&remote.path, ["rev-parse", &format!("{name}^{{commit}}")])
    }

    /// The commit a slot stands on.
    #[track_caller]
    pub fn head(&self, dir: &Path) -> String {
        self.git(dir, "rev-parse HEAD")
    }

    /// The branch a slot is on; empty when HEAD is detached.
    #[track_caller]
    pub fn branch(&self, dir: &Path) -> String {
        self.try_git(dir, "symbolic-ref -q --short HEAD")
            .stdout
            .trim()
            .to_owned()
    }

    /// Hands out a slot of a pool; the JSON `slot`.
    #[track_caller]
    pub fn allocate(&self, args: &str) -> Value {
        let out = self.pool(format!("allocate {args} --json"));
        out.ok();
        out.json()["slot"].clone()
    }

    /// What `status` says of a slot.
    #[track_caller]
    pub fn slot(&self, slot: &str) -> Value {
        let out = self.pool(format!("status {slot} --json"));
        out.ok();
        out.json()["slot"].clone()
    }

    /// What `status` says of a pool.
    #[track_caller]
    pub fn status(&self, pool: &str) -> Value {
        let out = self.pool(format!("status {pool} --json"));
        out.ok();
        out.json()["pool"].clone()
    }

    /// The slots of a pool as `status` lists them.
    #[track_caller]
    pub fn slots(&self, pool: &str) -> Vec<Value> {
        self.status(pool)["slots"]
            .as_array()
            .expect("a list of slots")
            .clone()
    }

    /// The state of a slot.
    #[track_caller]
    pub fn state(&self, slot: &str) -> String {
        self.slot(slot)["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// The names of all pools.
    #[track_caller]
    pub fn list(&self) -> Vec<String> {
        let out = self.pool("list");
        out.ok();
        out.stdout.lines().map(str::to_owned).collect()
    }

    /// The events of a pool or slot, of one kind.
    #[track_caller]
    pub fn events(&self, of: &str, kind: &str) -> Vec<Value> {
        let out = self.pool(format!("log {of} --json"));
        out.ok();
        let all = out.json_lines();
        all.into_iter().filter(|e| e["kind"] == kind).collect()
    }

    /// Takes a lock of pool `p` as another process would.
    #[track_caller]
    pub fn hold(&self, lock: &str) -> HeldLock {
        self.try_hold(lock).expect("the lock")
    }

    /// The same if nobody holds it.
    #[track_caller]
    pub fn try_hold(&self, lock: &str) -> Option<HeldLock> {
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(self.pool_dir("p").join("locks").join(lock))
            .expect("a lock file");
        HeldLock::of(file)
    }

    /// What `pools.toml` says of the pools' strategy, to make those that the tests run over.
    pub fn strategy(&self) -> String {
        let line = |strategy| format!("strategy = \"{strategy}\"\n");
        self.strategy.map(line).unwrap_or_default()
    }

    /// Whether the pools are of clones.
    pub fn is_over_clones(&self) -> bool {
        self.strategy == Some("clone")
    }

    /// Writes the workspace's `pools.toml`; the workspace is made if there is none.
    #[track_caller]
    pub fn declare(&self, text: &str) {
        self.pool("init").ok();
        std::fs::write(self.workspace().join("pools.toml"), text).expect("writing pools.toml");
    }
}
