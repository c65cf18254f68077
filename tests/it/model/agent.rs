//! What agents do in their slots: shell scripts that leave `$W`, a text that is like no other, in a
//! commit or in a change. `$N` is a number that is like no other.

use crate::support::{Call, World};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One thing an agent does.
pub struct Action {
    pub name: &'static str,
    pub script: &'static str,
    /// Whether what it leaves can't be saved, so that a release is refused.
    pub hard: bool,
}

const fn soft(name: &'static str, script: &'static str) -> Action {
    Action {
        name,
        script,
        hard: false,
    }
}

/// What agents do. A step that an earlier one stands in the way of fails, as theirs do.
pub const ACTIONS: [Action; 27] = [
    soft("commit", "echo $W > f$N; git add f$N; git commit -qm $N"),
    soft(
        "commit again",
        "echo $W > f$N; git add f$N; git commit -qm $N",
    ),
    soft(
        "branch",
        "git checkout -q -b b$N; echo $W > f$N; git add f$N; git commit -qm $N",
    ),
    soft(
        "detached commit",
        "git checkout -q --detach; echo $W > f$N; git add f$N; git commit -qm $N",
    ),
    soft("untracked", "mkdir -p d$N; echo $W > d$N/u"),
    soft("staged", "echo $W > s$N; git add s$N"),
    soft(
        "staged and changed",
        "echo $W > s$N; git add s$N; echo other > s$N",
    ),
    soft("edit", "echo $W > src/part$((N % 20 + 1)).rs"),
    soft("deletion", "rm -f docs/guide.md; echo $W > u$N"),
    soft(
        "reset away",
        "echo $W > f$N; git add f$N; git commit -qm $N; git reset -q --hard HEAD~1",
    ),
    soft("stash", "echo $W > docs/third.md; git stash -q"),
    soft(
        "amend",
        "echo $W > f$N; git add f$N; git commit -qm $N; git commit -q --amend -m $N-amended",
    ),
    soft(
        "rebase",
        "git checkout -q -b r$N; echo $W > README.md; git commit -qam $N; git checkout -q -b q$N HEAD~1; echo q > README.md; git commit -qam q; git rebase r$N",
    ),
    soft(
        "merge",
        "git checkout -q -b m$N; echo $W > README.md; git commit -qam $N; git checkout -q -b n$N HEAD~1; echo n > README.md; git commit -qam n; git merge -q m$N",
    ),
    soft(
        "cherry-pick",
        "git checkout -q -b c$N; echo $W > README.md; git commit -qam $N; git checkout -q -b e$N HEAD~1; echo e > README.md; git commit -qam e; git cherry-pick c$N",
    ),
    soft(
        "orphan",
        "git checkout -q --orphan o$N; echo $W > f$N; git add f$N; git commit -qm $N",
    ),
    soft(
        "branch deleted",
        "git checkout -q -b x$N; echo $W > f$N; git add f$N; git commit -qm $N; git update-ref -d refs/heads/x$N",
    ),
    soft("sparse", "git sparse-checkout set docs; echo $W > docs/u$N"),
    soft(
        "skip-worktree",
        "git update-index --skip-worktree src/part3.rs; echo $W > src/part3.rs",
    ),
    soft(
        "assume-unchanged",
        "git update-index --assume-unchanged src/part4.rs; echo $W > src/part4.rs",
    ),
    soft(
        "worktree config",
        "git config extensions.worktreeConfig true; git config --worktree user.name x; echo $W > u$N",
    ),
    soft(
        "read-only",
        "mkdir -p ro$N/x e$N/m; echo $W > ro$N/x/f; chmod 555 ro$N/x ro$N; mkfifo p$N",
    ),
    soft(
        "ignored",
        "mkdir -p target/x$N; echo x > target/x$N/built; echo x > n$N.log",
    ),
    soft(
        "a killed git",
        "echo $W > u$N; touch $(git rev-parse --git-dir)/index.lock",
    ),
    soft(
        "no index",
        "echo $W > u$N; rm -f $(git rev-parse --git-dir)/index",
    ),
    soft("no link", "echo $W > u$N; rm -f .git"),
    Action {
        name: "nested",
        script: "git init -q nested$N; echo $W > nested$N/x",
        hard: true,
    },
];

/// Runs a script in a slot; its failure is the agent's own affair.
#[track_caller]
pub fn run(world: &World, dir: &Path, script: &str, number: u64, text: &str) {
    let mut shell = world.command("sh");
    shell
        .args(["-c", script])
        .env("N", number.to_string())
        .env("W", text);
    Call::new(shell).cwd(dir).run();
}

/// Where a slot is now: in use or put away.
pub fn place(world: &World, slot: &str) -> Option<PathBuf> {
    let pool = world.pool_dir("p");
    let places = ["worktrees", "parked"].map(|at| pool.join(at).join(slot));
    places.into_iter().find(|path| path.exists())
}

/// The object that holds `text`, a line.
#[track_caller]
pub fn blob(world: &World, text: &str) -> String {
    let mut git = world.command("git");
    git.args(["hash-object", "--stdin"]);
    let out = Call::new(git).stdin(format!("{text}\n").as_bytes()).run();
    out.ok().stdout.trim().to_owned()
}

/// Everything that the slot's own files lead to: its HEAD, its history, its index.
pub fn objects_in(world: &World, slot: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let admin = world.admin_dir(slot);
    let Some(place) = place(world, slot) else {
        return found;
    };
    let git = |args: &[&str]| {
        let mut git = world.command("git");
        git.arg("--git-dir")
            .arg(&admin)
            .arg("--work-tree")
            .arg(&place);
        git.args(args).current_dir(&place);
        let out = git.output().expect("git");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let log = std::fs::read_to_string(admin.join("logs/HEAD")).unwrap_or_default();
    let mut tips: BTreeSet<String> = log
        .split_whitespace()
        .filter(|word| word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(str::to_owned)
        .collect();
    tips.insert("HEAD".into());
    tips.remove(&"0".repeat(40));
    let mut args = vec!["rev-list", "--objects", "--ignore-missing"];
    if admin != world.registration(slot) {
        args.extend(["--all", "--reflog"]);
    }
    args.extend(tips.iter().map(String::as_str));
    let listed = git(&args);
    found.extend(
        listed
            .lines()
            .filter_map(|l| l.split(' ').next())
            .map(str::to_owned),
    );
    let staged = git(&["ls-files", "-s"]);
    found.extend(
        staged
            .lines()
            .filter_map(|l| l.split_whitespace().nth(1))
            .map(str::to_owned),
    );
    found
}

/// Whether a file below `dir` is this line.
pub fn has_file(dir: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let Ok(kind) = entry.file_type() else {
            return false;
        };
        let is_text = |path: &Path| {
            let size = path.metadata().map(|meta| meta.len());
            size.is_ok_and(|size| size == text.len() as u64 + 1)
                && std::fs::read_to_string(path).is_ok_and(|content| content.trim_end() == text)
        };
        (kind.is_dir() && has_file(&entry.path(), text))
            || (kind.is_file() && is_text(&entry.path()))
    })
}
