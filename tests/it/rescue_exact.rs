//! Work of every kind comes back byte for byte, or is refused with the slot untouched.

use crate::support::{Work, World, is_root, snapshot};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Releases slot 1 of `p`, hands it out again, brings the work back, and compares.
#[track_caller]
fn assert_comes_back(world: &World, dir: &Path, what: &str) -> Work {
    let before = world.work(dir);
    let out = world.pool("release p/slot1 --json");
    out.ok();
    let id = out.json()["rescue"]["rescue_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{what}: nothing was saved\n{out}"))
        .to_owned();
    let again = world.pool("allocate p --no-fetch").ok().path();
    assert_eq!(again, dir);
    world
        .pool(["rescue", "restore", &id, "--into", "p/slot1"])
        .ok();
    let after = world.work(dir);
    assert_eq!(after.head, before.head, "{what}: HEAD");
    assert_eq!(after.status, before.status, "{what}: status");
    assert_eq!(after.index, before.index, "{what}: the index");
    assert_eq!(after.files, before.files, "{what}: the files");
    world.pool("release p/slot1 --discard").ok();
    before
}

/// Each script is run in a slot of its own turn; what it leaves must come back.
#[track_caller]
fn each_comes_back(scripts: &[(&str, &str)]) {
    let (world, _remote) = World::with_pool(1);
    for (what, script) in scripts {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        let script = format!("set -e; cd '{}'; {script}", dir.display());
        world.sh(&script).ok();
        assert_comes_back(&world, &dir, what);
    }
    world.assert_sound("p");
}

/// Section 6: index and files, whatever the difference between them and HEAD.
#[test]
pub fn changes_of_every_kind_come_back() {
    each_comes_back(&[
        ("unstaged", "echo changed > README.md; rm newest.txt"),
        (
            "staged",
            "echo changed > README.md; git rm -q newest.txt; git add -A",
        ),
        (
            "staged, then changed",
            "echo one > README.md; git add -A; echo two > README.md",
        ),
        (
            "staged, then taken back",
            "cp README.md x; echo one > README.md; git add README.md; mv x README.md",
        ),
        ("added, then deleted", "echo new > new; git add new; rm new"),
        (
            "removed from the index only",
            "git rm -q --cached README.md docs/guide.md",
        ),
        (
            "untracked",
            "mkdir -p a/b; echo new > a/b/c; : > empty; echo x > 'with blanks'",
        ),
        (
            "modes",
            "chmod +x README.md; chmod -x tools/run.sh; git add README.md; echo x > p; chmod 755 p",
        ),
        (
            "links",
            "ln -sf elsewhere tools/link; ln -s README.md new; ln -s /nowhere/at/all far; ln -s src dirlink",
        ),
        (
            "renamed",
            "git mv README.md READ.md; git mv docs texts; mv src sources",
        ),
        (
            "binary",
            r"printf 'a\000b\r\n\377\376' > binary; head -c 70000 /dev/urandom > big; git add big; printf '\r' >> big",
        ),
        (
            "file to directory",
            "rm README.md; mkdir README.md; echo x > README.md/x; git add -A; rm -r docs; echo d > docs",
        ),
        (
            "directory to link",
            "rm -r docs; ln -s src docs; rm -r deep; ln -s /tmp deep; git add deep",
        ),
        (
            "announced",
            "echo new > announced; git add -N announced; echo gone > gone; git add -N gone; rm gone; : > e; git add e",
        ),
        (
            "announced, then taken for a commit's",
            ": > e; git add e; git commit -qm e; git rm -q --cached e; git add -N e; git reset -q --hard; git status -s | grep -q '^DA e'",
        ),
    ]);
}

/// Section 6: names that are no text.
#[test]
fn names_that_are_no_text_come_back() {
    each_comes_back(&[
        (
            "not UTF-8",
            r#"cd docs; f=$(printf 'caf\351.txt'); echo changed > "$f"; cp "$f" "$(printf '\377\376')"; git mv guide.md "$(printf 'g\200')""#,
        ),
        (
            "line ends, tabs, quotes",
            r#"printf 'x' > "$(printf 'a\nb\tc"d\\e')"; printf 'y' > ' '; printf 'z' > "'"; git add "'""#,
        ),
        (
            "looking like options and patterns",
            "echo a > ./-rf; echo b > '*'; echo c > ':(top)x'; echo d > '#'; git add -A; echo e > '*'; echo f > '!x'; echo g > '[a-z]'",
        ),
        (
            "only almost git's",
            "echo a > git~1; mkdir .gitx; echo b > .gitx/HEAD; echo c > HEAD",
        ),
    ]);
}

/// Section 6: in the middle of something.
#[test]
pub fn conflicts_and_stopped_operations_come_back() {
    let conflict = "git checkout -q -b theirs; echo theirs > README.md; git rm -q newest.txt; echo one > both; git add -A; git commit -q -m theirs; \
         git checkout -q -; echo ours > README.md; echo changed > newest.txt; echo two > both; git add -A; git commit -q -m ours;";
    let run = |end: &str| format!("{conflict} {end}; git branch -q -D theirs");
    let merge = run(
        "git merge -q theirs || true; echo half >> README.md; echo staged > other; git add other; echo more > more",
    );
    let resolved =
        run("git merge -q theirs || true; echo both > README.md; git add README.md; rm both");
    let rebase = run("git rebase -q theirs || true; echo half >> README.md");
    let pick =
        run("git cherry-pick theirs || true; rm README.md; mkdir README.md; echo x > README.md/x");
    each_comes_back(&[
        ("merge", &merge),
        ("merge, half resolved", &resolved),
        ("rebase", &rebase),
        ("cherry-pick", &pick),
        (
            "applied",
            "echo mine > README.md; git stash -q; echo x > README.md; git commit -q -am x; git stash apply -q || true; git stash drop -q",
        ),
    ]);
}

/// Section 6: commits, wherever HEAD is, with changes on top and without.
#[test]
pub fn commits_come_back() {
    each_comes_back(&[
        (
            "commits",
            "echo 1 > one; git add one; git commit -q -m one; echo 2 > one; git commit -q -am two",
        ),
        (
            "with changes",
            "echo 1 > one; git add one; git commit -q -m one; echo 2 > one; git add one; echo 3 > one; echo 4 > two",
        ),
        (
            "amended",
            "echo 1 > one; git add one; git commit -q -m one; echo 2 > one; git commit -q -a --amend -m two",
        ),
        (
            "detached elsewhere",
            "git checkout -q --detach HEAD~2; echo 1 > one; git add one; git commit -q -m one; echo x > README.md",
        ),
        (
            "changes only, detached elsewhere",
            "git checkout -q --detach HEAD~2; echo x > README.md",
        ),
    ]);
}

/// Section 6: what the index hides is work, and what is left out of the checkout stays out.
#[test]
pub fn what_the_index_hides_comes_back() {
    let (world, _remote) = World::with_pool(1);
    for (what, script) in [
        (
            "left out",
            "git sparse-checkout set --no-cone docs tools; echo x > docs/guide.md; echo new > docs/new",
        ),
        (
            "skipped",
            "git update-index --skip-worktree src/part1.rs; rm src/part1.rs; echo x > README.md",
        ),
        (
            "split",
            "git update-index --split-index; echo x > README.md; git add README.md; echo y > README.md",
        ),
    ] {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        world
            .sh(&format!("set -e; cd '{}'; {script}", dir.display()))
            .ok();
        assert_comes_back(&world, &dir, what);
    }
    for switch in ["--assume-unchanged", "--skip-worktree"] {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        world.git(&dir, ["update-index", switch, "README.md"]);
        fs::write(dir.join("README.md"), "a hidden edit\n").expect("writing");
        let out = world.pool("release p/slot1 --json");
        let id = out.ok().json()["rescue"]["rescue_id"].to_string();
        world.pool("allocate p --no-fetch").ok();
        let args = [
            "rescue",
            "restore",
            id.trim_matches('"'),
            "--into",
            "p/slot1",
        ];
        world.pool(args).ok();
        let text = fs::read_to_string(dir.join("README.md")).expect("the file");
        assert_eq!(text, "a hidden edit\n", "{switch}");
        world.pool("release p/slot1 --discard").ok();
    }
}

/// Section 6: no filter, hook or conversion stands between the files and what is saved of them: not
/// the repository's, not the user's.
#[test]
fn no_filter_hook_or_conversion_touches_saved_work() {
    let (world, _remote) = World::with_pool(1);
    let marker = world.path("it-ran");
    let theirs = format!("sh -c 'touch {}; tr a-z A-Z'", marker.display());
    // git runs the user's own filters, where it looks for what was changed; nothing is saved by them.
    let users = "tr -d '\\r'".to_owned();
    for (what, global, run) in [
        ("the repository's", false, theirs),
        ("the user's", true, users),
    ] {
        for (attributes, config) in [
            ("*.txt filter=loud", format!("filter.loud.clean={run}")),
            ("*.txt filter=must", format!("filter.must.clean={run}")),
            ("* text=auto eol=crlf", "core.autocrlf=true".to_owned()),
            (
                "*.txt ident working-tree-encoding=UTF-16",
                "core.safecrlf=true".to_owned(),
            ),
            ("* -text", format!("core.fsmonitor={run}")),
            (
                "* text eol=lf",
                format!("core.hooksPath={}", world.path("hooks").display()),
            ),
            ("* text", "core.fileMode=false".to_owned()),
        ] {
            let dir = world.pool("allocate p --no-fetch").ok().path();
            let (key, value) = config.split_once('=').expect("a pair");
            let scope = if global { "--global" } else { "--local" };
            fs::write(dir.join("a.txt"), "one\r\ntwo\n$Id$\n").expect("writing");
            fs::write(dir.join("newest.txt"), "mixed\r\nends\n").expect("writing");
            fs::write(dir.join("lf.txt"), "only\nlf\n").expect("writing");
            let bytes: Vec<Vec<u8>> = ["a.txt", "newest.txt", "lf.txt"]
                .iter()
                .map(|name| fs::read(dir.join(name)).expect("a file"))
                .collect();
            // Only now: git itself would run them.
            world.git(&dir, ["config", scope, key, value]);
            let place = match global {
                true => world.home().join(".config/git/attributes"),
                false => dir.join(".gitattributes"),
            };
            fs::create_dir_all(place.parent().expect("a directory")).expect("a directory");
            fs::write(&place, format!("{attributes}\n")).expect("writing");
            let out = world.pool("release p/slot1 --json");
            out.ok();
            let id = out.json()["rescue"]["rescue_id"]
                .as_str()
                .expect("an id")
                .to_owned();
            world.git(&world.bare("p"), ["config", scope, "--unset", key]);
            fs::remove_file(place).ok();
            world.pool("allocate p --no-fetch").ok();
            world
                .pool(["rescue", "restore", &id, "--into", "p/slot1"])
                .ok();
            for (name, bytes) in ["a.txt", "newest.txt", "lf.txt"].iter().zip(bytes) {
                let now = fs::read(dir.join(name)).expect("a file");
                assert_eq!(now, bytes, "{what} {attributes}: {name}");
            }
            world.pool("release p/slot1 --discard").ok();
            world.pool(["rescue", "drop", &id]).ok();
        }
    }
    assert!(!marker.exists(), "something of the repository's ran");
}

/// Section 6: an edit of the same size within the second of the index write, which git can't see by
/// the file's data.
#[test]
fn an_edit_that_git_can_not_see_by_size_and_time_comes_back() {
    let (world, _remote) = World::with_pool(1);
    let script = "for try in 1 2 3 4 5 6 7 8 9; do
            start=$(date +%s); echo aaaa > racy; git add racy; echo bbbb > racy; end=$(date +%s)
            test $start = $end && exit 0
        done; exit 1";
    for _ in 0..3 {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        world.sh(&format!("cd '{}'; {script}", dir.display())).ok();
        let work = assert_comes_back(&world, &dir, "racy");
        assert_eq!(work.files[Path::new("racy")].1, b"bbbb\n");
    }
}

/// Section 6: a release that is refused leaves everything as it is, to the byte and to the time.
#[test]
pub fn a_refused_release_leaves_index_and_files_untouched() {
    let (world, _remote) = World::with_pool(1);
    for (what, script, named) in [
        (
            "nested",
            "git init -q nested; cd nested; echo x > x; git add x; git commit -q -m x",
            "nested",
        ),
        (
            "among tracked files",
            "cd docs; git init -q .; git commit -q --allow-empty -m x",
            "docs",
        ),
        ("a FIFO", "rm README.md; mkfifo README.md", "README.md"),
        (
            "without a commit",
            "git init -q unborn; echo x > unborn/x",
            "unborn",
        ),
    ] {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        let edits = "echo staged > newest.txt; git add newest.txt; echo unstaged > newest.txt; echo new > new; \
             git update-index --assume-unchanged src/part1.rs; echo hidden > src/part1.rs; git update-index --split-index";
        world
            .sh(&format!(
                "set -e; cd '{}'; {edits}; ({script})",
                dir.display()
            ))
            .ok();
        let index = world.admin_dir("slot1").join("index");
        let seen = || {
            let meta = fs::metadata(&index).expect("the index");
            (
                fs::read(&index).expect("the index"),
                (meta.mtime(), meta.mtime_nsec(), meta.ino()),
                snapshot(&world.admin_dir("slot1")),
                snapshot(&dir),
            )
        };
        let before = seen();
        let out = world.pool("release p/slot1");
        out.code(5).silent().says(named);
        assert!(seen() == before, "{what}: something was changed\n{out}");
        assert_eq!(world.state("p/slot1"), "allocated", "{what}");
        assert!(world.rescues("p").is_empty(), "{what}");
        world.pool("release p/slot1 --discard").ok();
        let next = world.pool("allocate p --no-fetch").ok().path();
        assert!(
            !next.join("docs/.git").exists(),
            "{what}: it is left to the next"
        );
        world.pool("release p/slot1").ok();
    }
}

/// Section 6: files that can't be read are named, up to twenty of them.
#[test]
fn files_that_can_not_be_read_are_named() {
    if is_root() {
        return; // root reads everything
    }
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    for n in 10..35 {
        let file = dir.join(format!("secret{n}"));
        fs::write(&file, "x").expect("writing");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("a mode");
    }
    let out = world.pool("release p/slot1");
    out.code(5)
        .silent()
        .says("secret10")
        .says("secret29")
        .says("and 5 more");
    assert!(!out.stderr.contains("secret30"), "{out}");
    world.pool("release p/slot1 --discard").ok();
}

/// 9.2, section 6: what was staged survives an index that git can't read any more.
#[test]
fn staged_contents_survive_a_damaged_index() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    fs::write(dir.join("a-staged.txt"), "only staged\n").expect("writing");
    world.git(&dir, "add a-staged.txt");
    fs::remove_file(dir.join("a-staged.txt")).expect("deleting");
    fs::write(dir.join("README.md"), "in the file\n").expect("writing");
    let index = world.admin_dir("slot1").join("index");
    let bytes = fs::read(&index).expect("the index");
    fs::write(&index, &bytes[..bytes.len() / 2]).expect("writing");
    world.pool("release p/slot1").ok().says("can't be read");
    assert!(world.is_rescued("p", "only staged\n"));
    assert!(world.is_rescued("p", "in the file\n"));
    assert_eq!(world.rescues("p").len(), 2);
    world.assert_sound("p");
}
