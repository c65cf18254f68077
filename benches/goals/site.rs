//! A repository of one size with what is measured on it: a pool, and beside it a bare clone with a
//! worktree of git's own.

use super::options::Size;
use super::repository::{Remote, Shape};
use super::stage::{Result, Stage, timed, wait_until};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The pool's slots: one that fetches, one that finds what was fetched.
const SLOTS: u32 = 2;

/// What a builder leaves behind.
pub struct Dirt {
    ignored: u32,
    untracked: u32,
    modified: usize,
}

/// A repository, the pool `p` of it, and git's own clone.
pub struct Site<'a> {
    /// The directory and the environment.
    pub stage: &'a Stage<'a>,
    /// How large it is.
    pub size: Size,
    /// The repository.
    pub remote: Remote,
    /// The workspace with the pool.
    pub workspace: PathBuf,
    /// git's bare clone.
    pub clone: PathBuf,
    /// git's worktree of it.
    pub tree: PathBuf,
    files: Vec<String>,
}

impl<'a> Site<'a> {
    /// Makes all of it.
    pub fn make(stage: &'a Stage<'a>, size: Size) -> Result<Self> {
        let remote = match (&stage.options.repo, size) {
            (Some(url), Size::Medium) => Remote::copy_of(stage, url)?,
            _ => Remote::made_up(stage, shape(stage, size))?,
        };
        let place = |what: &str| stage.path(&format!("{}-{what}", size.name()));
        let mut site = Self {
            stage,
            size,
            workspace: place("workspace"),
            clone: place("clone.git"),
            tree: place("tree"),
            files: Vec::new(),
            remote,
        };
        let create = format!("create p {} -n {SLOTS}", site.remote.url());
        timed(&mut stage.pool(&site.workspace, &create))?;
        site.clone_by_git(&site.clone)?;
        let (tree, now) = (text(&site.tree), site.remote.states[0].clone());
        site.git(&["worktree", "add", "-q", "--detach", &tree, &now])?;
        let listing = stage.git(&site.tree, &["ls-files"])?.stdout;
        site.files = listing.lines().map(str::to_owned).collect();
        Ok(site)
    }

    /// A bare clone that fetches as usual.
    pub fn clone_by_git(&self, path: &Path) -> Result<Duration> {
        let at = text(path);
        let start = timed(
            self.stage
                .command("git")
                .args(["init", "-q", "--bare", &at]),
        )?;
        let git = |args: &[&str]| self.stage.git(path, args);
        let added = git(&["remote", "add", "origin", &self.remote.url()])?;
        let fetched = git(&["fetch", "-q", "origin"])?;
        Ok(start.took + added.took + fetched.took)
    }

    /// git in its own clone.
    pub fn git(&self, args: &[&str]) -> Result<Duration> {
        Ok(self.stage.git(&self.clone, args)?.took)
    }

    /// Runs a command of the program on the workspace.
    pub fn pool(&self, args: &str) -> Result<Duration> {
        Ok(timed(&mut self.stage.pool(&self.workspace, args))?.took)
    }

    /// Hands out a slot of the pool; tells how long that took, and where the slot is.
    pub fn allocate(&self, options: &str) -> Result<(Duration, PathBuf)> {
        let command = format!("allocate p {options}");
        let ran = timed(&mut self.stage.pool(&self.workspace, &command))?;
        Ok((ran.took, PathBuf::from(ran.stdout.trim_end())))
    }

    /// Gives a slot back, and waits until what that leaves for later is done too.
    pub fn release(&self, slot: &Path, options: &str) -> Result<Duration> {
        let took = self.pool(&format!("release {} {options}", slot.display()))?;
        self.settle()?;
        Ok(took)
    }

    /// Removes a pool, and waits until it is deleted.
    pub fn remove_pool(&self, name: &str) -> Result<()> {
        self.pool(&format!("remove-pool {name}"))?;
        self.await_empty(".repo-pool/trash")
    }

    fn await_empty(&self, trash: &str) -> Result<()> {
        let trash = self.workspace.join(trash);
        wait_until("the trash is empty", || {
            Ok(std::fs::read_dir(&trash).map_or(true, |mut left| left.next().is_none()))
        })
    }

    /// Waits until nothing works in the background any more: it would slow down who comes next.
    fn settle(&self) -> Result<()> {
        self.await_empty("p/trash")?;
        wait_until("no slot is being cleaned", || {
            let status = timed(&mut self.stage.pool(&self.workspace, "status p --json"))?.stdout;
            let status: serde_json::Value = serde_json::from_str(&status)?;
            Ok(status["pool"]["summary"]["cleaning_slots"] == 0)
        })
    }

    /// What was handed out must be what was promised.
    pub fn check(&self, slot: &Path, state: usize) -> Result<()> {
        let head = self.stage.git(slot, &["rev-parse", "HEAD"])?.stdout;
        let wanted = &self.remote.states[state];
        if head.trim() != wanted {
            return Err(format!("{} is at {head}, not at {wanted}", slot.display()).into());
        }
        let status = [
            "status",
            "--porcelain",
            "--ignored",
            "--untracked-files=all",
        ];
        let left = self.stage.git(slot, &status)?.stdout;
        match left.as_str() {
            "" => Ok(()),
            _ => Err(format!("{} is not clean:\n{left}", slot.display()).into()),
        }
    }

    /// The same, in the first round only: it is not to disturb what is measured.
    pub fn check_once(&self, round: usize, slot: &Path, state: usize) -> Result<()> {
        match round == 0 || self.stage.options.short {
            true => self.check(slot, state),
            false => Ok(()),
        }
    }

    /// How often something cheap is run.
    pub fn rounds(&self) -> usize {
        self.stage.options.rounds(self.size)
    }

    /// What git's own look at a slot costs.
    pub fn look(&self, slot: &Path) -> Result<Duration> {
        let status = ["status", "--porcelain=v2", "--ignored"];
        Ok(self.stage.git(slot, &status)?.took)
    }

    /// How much dirt is made.
    pub fn dirt(&self) -> Dirt {
        let count = |full, short| self.stage.options.count(full, short);
        Dirt {
            ignored: self.stage.options.ignored,
            untracked: count(200, 20),
            modified: count(20, 5) as usize,
        }
    }

    /// Leaves a tree as a build leaves it.
    pub fn soil(&self, tree: &Path, dirt: &Dirt) -> Result<()> {
        let build = tree.join("build");
        std::fs::create_dir(&build)?;
        if self
            .stage
            .git(tree, &["check-ignore", "-q", "build/x"])
            .is_err()
        {
            std::fs::write(build.join(".gitignore"), "*\n")?;
        }
        fill(&build, dirt.ignored)?;
        fill(&tree.join("new"), dirt.untracked)?;
        let step = (self.files.len() / dirt.modified).max(1);
        for file in self.files.iter().step_by(step).take(dirt.modified) {
            let path = tree.join(file);
            if path.symlink_metadata()?.is_file() {
                let mut content = std::fs::read(&path)?;
                content.extend(b"changed\n");
                std::fs::write(&path, content)?;
            }
        }
        Ok(())
    }

    /// What a new worktree of git's costs.
    pub fn add_worktree(&self, path: &Path) -> Result<Duration> {
        self.git(&[
            "worktree",
            "add",
            "-q",
            "--detach",
            &text(path),
            &self.remote.states[0],
        ])
    }

    /// Brings git's worktree to a commit.
    pub fn tree_to(&self, commit: &str) -> Result<()> {
        self.stage
            .git(&self.tree, &["checkout", "-q", "--detach", commit])?;
        Ok(())
    }

    /// Moves git's worktree between two commits in one of the ways there are.
    pub fn move_tree(&self, way: &str, from: &str, to: &str) -> Result<Duration> {
        let mut args: Vec<&str> = way.split(' ').collect();
        match args[0] {
            "read-tree" => args.extend([from, to]),
            _ => args.extend(["--quiet", to]),
        }
        let took = self.stage.git(&self.tree, &args)?.took;
        self.stage
            .git(&self.tree, &["update-ref", "--no-deref", "HEAD", to])?;
        Ok(took)
    }

    /// What git's own cleaning of its worktree costs.
    pub fn clean_tree(&self) -> Result<Duration> {
        let cleaned = self.stage.git(&self.tree, &["clean", "-ffdxq"])?.took;
        Ok(cleaned + self.stage.git(&self.tree, &["reset", "-q", "--hard"])?.took)
    }

    /// Everything is where it was when it was made.
    pub fn back_to_start(&self) -> Result<()> {
        self.remote.move_to(self.stage, 0)?;
        self.tree_to(&self.remote.states[0])?;
        let slots: Vec<PathBuf> = (0..SLOTS)
            .map(|_| Ok(self.allocate("")?.1))
            .collect::<Result<_>>()?;
        slots
            .iter()
            .try_for_each(|slot| self.release(slot, "").map(drop))
    }

    /// Deletes all of it but the repository.
    pub fn clear(&self) -> Result<()> {
        for place in [&self.workspace, &self.clone, &self.tree] {
            std::fs::remove_dir_all(place)?;
        }
        Ok(())
    }

    /// Deletes what a bench has made.
    pub fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_dir_all(path)?;
        self.git(&["worktree", "prune"]).map(drop)
    }
}

/// So many small files, a hundred in a directory.
fn fill(dir: &Path, files: u32) -> Result<()> {
    for n in 0..files {
        let place = dir.join(format!("d{}", n / 100));
        if n % 100 == 0 {
            std::fs::create_dir_all(&place)?;
        }
        std::fs::write(place.join(format!("f{n}.dat")), format!("made {n}\n"))?;
    }
    Ok(())
}

fn shape(stage: &Stage<'_>, size: Size) -> Shape {
    let options = stage.options;
    let (files, commits, bytes) = match size {
        Size::Small => (300, 50, 1_200_000),
        Size::Medium if options.short => (1_000, 300, 8_000_000),
        Size::Medium => (4_850, options.commits, 50_000_000),
        Size::Large => (76_600, 50, options.megabytes * 1_000_000),
    };
    Shape {
        files,
        commits,
        bytes,
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
