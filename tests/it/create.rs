//! Making pools: what is there afterwards, and that a failure leaves nothing.

use crate::support::{
    AuthServer, PULL_REF, Remote, SPACED_FILE, SilentServer, World, files_containing, odd_file,
    until,
};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

/// Nothing of a pool of this name may be left.
#[track_caller]
fn assert_nothing_left(world: &World, pool: &str) {
    assert_eq!(world.list(), Vec::<String>::new(), "listed");
    assert!(!world.pool_dir(pool).exists(), "its directory is left");
    world.pool(format!("status {pool}")).code(7);
}

/// 1.1, 1.2, 1.4: every slot has its id and the repository's content.
#[test]
pub fn create_fills_every_slot_with_the_repositorys_content() {
    let world = World::new();
    let remote = world.remote();
    let out = world.pool(format!("create p {} -n 3 --json", remote.url()));
    let pool = &out.ok().json()["pool"];
    assert_eq!(pool["repo_name"], "p");
    assert_eq!(pool["repo_url"], remote.url());
    assert_eq!(pool["num_slots"], 3);
    assert_eq!(pool["summary"]["total_slots"], 3);
    assert_eq!(pool["summary"]["available_slots"], 3);
    let tip = world.tip(&remote, "main");
    let slots = pool["slots"].as_array().expect("slots");
    assert_eq!(slots.len(), 3);
    for (n, slot) in (1..).zip(slots) {
        assert_eq!(slot["slot_id"], format!("workspace-p-slot{n}"));
        assert_eq!(slot["state"], "available");
        let dir = world.slot_dir(&format!("slot{n}"));
        let path = world.slot_path(&format!("slot{n}"));
        assert_eq!(slot["slot_path"], path.display().to_string());
        world.assert_holds(&dir, &remote, &tip);
    }
    world.assert_sound("p");
}

/// 1.2: programs stay programs, links stay links, odd names stay as they are.
#[test]
fn create_keeps_modes_links_and_odd_names() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.slot_dir("slot1");
    let mode = dir
        .join("tools/run.sh")
        .metadata()
        .expect("it")
        .permissions();
    assert_eq!(mode.mode() & 0o100, 0o100);
    let link = dir.join("tools/link").read_link().expect("a link");
    assert_eq!(link.display().to_string(), "../README.md");
    assert!(dir.join(SPACED_FILE).is_file());
    assert!(dir.join(odd_file()).is_file());
}

/// 1.1, 8.5: without `-n` there are two slots; `-n` and `--slots` are one option.
#[test]
fn create_makes_two_slots_unless_told_otherwise() {
    let world = World::new();
    let url = world.remote().url();
    world.pool(format!("create two {url}")).ok();
    world.pool(format!("create one {url} --slots 1")).ok();
    assert_eq!(world.slots("two").len(), 2);
    assert_eq!(world.slots("one").len(), 1);
}

/// 6.1: `--base` names another branch than the remote's HEAD.
#[test]
fn create_with_base_stands_on_that_branch() {
    let world = World::new();
    let remote = world.remote();
    let url = remote.url();
    world.pool(format!("create p {url} -n 1 --base topic")).ok();
    let tip = world.tip(&remote, "topic");
    world.assert_holds(&world.slot_dir("slot1"), &remote, &tip);
    let slot = world.allocate("p");
    assert_eq!(slot["current_commit"], tip);
    let unknown = world.pool(format!("create q {url} --base no-such-branch"));
    unknown.code(1).says("no-such-branch");
    assert_eq!(world.list(), ["p"]);
}

/// 1.1: names outside the form are refused and make nothing.
#[test]
fn create_refuses_names_outside_the_form() {
    let world = World::new();
    let url = world.remote().url();
    let long = "a".repeat(65);
    let names = [
        "",
        "-x",
        ".x",
        "_x",
        "..",
        "a..b",
        "a/b",
        "a b",
        "a\nb",
        "ü",
        "x.lock",
        "x.toml",
        "x.json",
        "x.git",
        &long,
        "a:b",
        "a\u{1b}[31m",
    ];
    for name in names {
        let out = world.pool(["create", "-n", "1", "--", name, &url]);
        out.code(2).silent();
        assert!(!out.stderr.contains('\u{1b}'), "{out}");
    }
    assert!(world.list().is_empty());
}

/// 1.1: the longest name with every allowed sign is allowed.
#[test]
fn create_accepts_every_name_of_the_form() {
    let world = World::new();
    let url = world.remote().url();
    let longest = format!("9A._-{}", "z".repeat(59));
    for name in ["a", "0", "a.b", "Lock", &longest] {
        world.pool(["create", name, &url, "-n", "1"]).ok();
        assert_eq!(world.slots(name).len(), 1);
    }
}

/// 1.1: one name once, also where only its case differs.
#[test]
fn create_refuses_a_name_that_is_taken_or_differs_only_in_case() {
    let world = World::new();
    let url = world.remote().url();
    world.pool(format!("create proj {url} -n 1")).ok();
    for name in ["proj", "Proj", "PROJ"] {
        let out = world.pool(format!("create {name} {url} -n 1"));
        out.one_of(&[1, 2]).silent().says("proj");
    }
    assert_eq!(world.list(), ["proj"]);
    world.assert_sound("proj");
}

/// 1.1: no slots, less than none and absurdly many are refused.
#[test]
fn create_refuses_absurd_slot_counts() {
    let world = World::new();
    let url = world.remote().url();
    for count in [
        "0",
        "-1",
        "1000000",
        "99999999999999999999",
        "two",
        "1.5",
        "",
    ] {
        let out = world.pool(["create", "p", &url, &format!("--slots={count}")]);
        out.code(2).silent();
    }
    assert_nothing_left(&world, "p");
}

/// 1.1: what git would take for an option or a command of a helper is refused.
#[test]
fn create_refuses_urls_that_git_would_execute() {
    let world = World::new();
    let trap = world.path("trap").display().to_string();
    let urls = [
        format!("--upload-pack=touch {trap}"),
        "-x".into(),
        format!("ext::sh -c 'touch {trap}'"),
        "fd::3".into(),
        "other::thing".into(),
        "https://exa\nmple.com/x.git".into(),
        "https://example.com/\u{1b}[31mx.git".into(),
        String::new(),
    ];
    for url in urls {
        let out = world.pool(["create", "p", "--", &url]);
        out.code(2).silent();
        assert!(!out.stderr.contains('\u{1b}'), "{out}");
    }
    assert!(!world.path("trap").exists(), "a command was run");
    assert_nothing_left(&world, "p");
}

/// 1.1, 6.5: git's own words are shown, nothing is left, and the name is free again.
#[test]
fn create_from_an_unreachable_remote_leaves_nothing() {
    let world = World::new();
    let gone = format!("file://{}", world.path("gone.git").display());
    world
        .pool(format!("create p {gone}"))
        .code(1)
        .silent()
        .says("does not appear to be a git repository");
    assert_nothing_left(&world, "p");
    let out = world.pool(format!("create p {gone} --json"));
    out.code(1).silent().kind("git_operation");
    let git = &out.error()["git"];
    assert!(git["command"].is_string(), "{git}");
    assert!(git["exit_code"].is_number(), "{git}");
    assert!(git["duration_seconds"].is_number(), "{git}");
    let words = git["stderr"].as_str().expect("git's stderr");
    assert!(words.contains("does not appear"), "{words}");
    world
        .pool(format!("create p {} -n 1", world.remote().url()))
        .ok();
    world.assert_sound("p");
}

/// 6.5: a remote that wants a password fails at once instead of asking.
#[test]
fn create_never_asks_for_a_password() {
    let world = World::new();
    let remote = world.remote();
    let server = AuthServer::start(&world.path(""));
    let out = world.pool(format!("create p {}", server.url("remote.git")));
    out.code(1).silent().says("could not read Username");
    assert_nothing_left(&world, "p");
    drop(remote);
}

/// 9.1: a server that never answers is given up after `git_timeout`, and no git stays behind.
#[test]
fn create_from_a_silent_server_ends_within_the_git_timeout() {
    let world = World::new();
    let server = SilentServer::start();
    for url in [server.git_url(), server.http_url()] {
        let call = world.call(format!("create p {url}"));
        let out = call.env("REPO_POOL_GIT_TIMEOUT", "2s").run();
        out.code(1).silent().was_silent_for(2.0);
        assert_nothing_left(&world, "p");
    }
    assert!(server.connections() >= 2);
    until("no git holds a connection", || {
        (server.open() == 0).then_some(())
    });
}

/// 9.1, 8.5: the same from `pools.toml`.
#[test]
fn create_takes_the_git_timeout_from_the_file() {
    let world = World::new();
    let server = SilentServer::start();
    world.pool("init").ok();
    let file = world.workspace().join("pools.toml");
    std::fs::write(file, "[defaults]\ngit_timeout = \"1s\"\n").expect("writing");
    let out = world.pool(format!("create p {}", server.git_url()));
    out.code(1).silent().was_silent_for(1.0);
    assert_nothing_left(&world, "p");
}

/// 1.1: a create that is ended by a signal leaves nothing, and ends its git.
#[test]
fn create_that_is_interrupted_leaves_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::new();
        let server = SilentServer::start();
        let running = world.call(format!("create p {}", server.git_url())).spawn();
        until("git has connected", || {
            (server.connections() > 0).then_some(())
        });
        running.signal(signal);
        let out = running.finish();
        assert_ne!(out.code, 0, "{out}");
        out.silent();
        assert_nothing_left(&world, "p");
        until("no git holds a connection", || {
            (server.open() == 0).then_some(())
        });
    }
}

/// 1.1: a password in the URL is used, but is in no file and no message.
#[test]
fn create_stores_and_shows_no_password_of_the_url() {
    let world = World::new();
    let remote = world.remote();
    world.git(&remote.path, "update-server-info");
    let server = AuthServer::start(&world.path(""));
    let url = server.url_with_password("remote.git");
    for flags in ["", "-v", "-vv", "--json"] {
        let out = world.pool(format!("{flags} create p {url} -n 1"));
        out.ok().never_says("s3cr3t");
        assert!(server.served() > 0, "the password was not used");
        let found = files_containing(&world.workspace(), "s3cr3t");
        assert!(found.is_empty(), "{found:?}");
        for view in ["status p", "status p --json", "log p --json", "config show"] {
            world.pool(view).ok().never_says("s3cr3t");
        }
        world.pool("remove-pool p").ok();
    }
    let missing = server.url_with_password("missing.git");
    for flags in ["", "-vv", "--json"] {
        let out = world.pool(format!("{flags} create q {missing}"));
        out.code(1).never_says("s3cr3t");
    }
    let found = files_containing(&world.workspace(), "s3cr3t");
    assert!(found.is_empty(), "{found:?}");
}

/// 1.1: a remote without a commit is a clear error.
#[test]
fn create_from_an_empty_remote_is_a_clear_error() {
    let world = World::new();
    let path = world.path("empty.git");
    let at = path.display().to_string();
    world.git(&world.path(""), ["init", "-q", "--bare", &at]);
    let out = world.pool(format!("create p {}", Remote { path }.url()));
    out.code(1).silent();
    assert!(out.stderr.trim().len() > 20, "{out}");
    assert_nothing_left(&world, "p");
}

/// 1.1: a HEAD that names a branch which is not there gives no base, unless one is named.
#[test]
fn create_from_a_remote_whose_head_names_no_branch_needs_a_base() {
    let world = World::new();
    let remote = world.remote();
    world.git(&remote.path, "symbolic-ref HEAD refs/heads/no-such");
    let out = world.pool(format!("create p {}", remote.url()));
    out.code(1).silent().says("base");
    assert_nothing_left(&world, "p");
    let url = remote.url();
    world.pool(format!("create p {url} -n 1 --base main")).ok();
    let tip = world.tip(&remote, "main");
    world.assert_holds(&world.slot_dir("slot1"), &remote, &tip);
}

/// 1.1, 3.3: a detached HEAD, as CI leaves it, is a base too, also when no branch reaches it.
#[test]
fn a_remote_with_a_detached_head_is_followed() {
    let world = World::new();
    let remote = world.remote();
    let pushed = world.push_commit(&remote, "detached.txt", "on no branch");
    world.git(&remote.path, ["update-ref", "--no-deref", "HEAD", &pushed]);
    world.git(&remote.path, "update-ref refs/heads/main main~1");
    let url = remote.url();
    world.pool(format!("create p {url} -n 1")).ok();
    world.assert_holds(&world.slot_dir("slot1"), &remote, &pushed);
    let earlier = world.tip(&remote, "main");
    world.git(&remote.path, ["update-ref", "--no-deref", "HEAD", &earlier]);
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&dir), earlier);
}

/// 1.1: repositories with SHA-256 object ids work where git supports them.
#[test]
pub fn create_from_a_sha256_repository_works() {
    let world = World::new();
    let remote = Remote {
        path: world.path("sha256.git"),
    };
    let at = remote.dir();
    let init = ["init", "-q", "--bare", "--object-format=sha256", &at];
    if world.try_git(&world.path(""), init).code != 0 {
        return; // this git can't make such a repository
    }
    let first = world.push_commit(&remote, "file", "one\n");
    assert_eq!(first.len(), 64);
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    let second = world.push_commit(&remote, "file", "two\n");
    let slot = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&slot), second);
    std::fs::write(slot.join("new"), "unsaved\n").expect("writing");
    world.pool("release p/slot1").ok();
    assert_eq!(world.rescues("p").len(), 1);
    world.assert_sound("p");
}

/// 6.4: the remote's branches are remote-tracking branches; other refs are not fetched unasked.
#[test]
fn create_fetches_branches_and_not_pull_requests() {
    let (world, remote) = World::with_pool(1);
    let refs = world.git(
        &world.bare("p"),
        "for-each-ref --format=%(refname) refs/remotes",
    );
    let refs: BTreeSet<&str> = refs.lines().collect();
    for branch in ["main", "topic", "release/1.0"] {
        let name = format!("refs/remotes/origin/{branch}");
        assert!(refs.contains(name.as_str()), "{refs:?}");
    }
    let pull = world.tip(&remote, PULL_REF);
    let known = world.try_git(&world.bare("p"), ["cat-file", "-e", &pull]);
    assert_ne!(known.code, 0, "it was fetched");
}
