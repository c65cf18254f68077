//! What agents leave in the config, the hooks and the `info/` that all slots share.

use crate::support::{Remote, Traps, World};
use serde_json::Value;
use std::fs;

/// What `recover` finds of that kind.
#[track_caller]
fn found(world: &World, args: &str) -> Vec<Value> {
    let out = world.pool(format!("recover p --json --only changed_config {args}"));
    out.one_of(&[0, 1]);
    let findings = out.json()["findings"].as_array().cloned();
    findings.expect("a list of findings")
}

/// A pool of one slot, and settings of every sort in its config.
#[track_caller]
fn pool_with_changes() -> (World, Remote, Traps) {
    let (world, remote) = World::with_pool(1);
    let traps = Traps::new(&world);
    let bare = world.bare("p");
    let evil = traps.set("evil");
    for (key, value) in [
        ("core.sshCommand", evil.as_str()),
        ("filter.x.clean", &evil),
        (
            "url.https://u:Tr0ub4dor@h.example/.insteadOf",
            "https://h.example/",
        ),
        ("remote.origin.url", "https://elsewhere.example/x.git"),
        ("remote.origin.pushurl", "https://elsewhere.example/x.git"),
        ("branch.topic.merge", "refs/heads/topic"),
        ("remote.fork.url", "https://fork.example/x.git"),
        ("user.name", "An Agent"),
    ] {
        world.git(&bare, ["config", key, value]);
    }
    traps.set_hooks(&bare.join("hooks"));
    fs::create_dir_all(bare.join("info")).expect("a directory");
    fs::write(bare.join("info/exclude"), "# mine\n*.secret\n").expect("writing");
    (world, remote, traps)
}

/// 9.4: what has git run programs or go elsewhere is taken out before somebody else's git obeys it,
/// what the pool wrote is put right, and what is anybody's stays.
#[test]
fn recover_takes_out_what_the_next_users_git_would_obey() {
    let (world, remote, traps) = pool_with_changes();
    let planned = found(&world, "--dry-run");
    let done = found(&world, "");
    let details = |all: &[Value]| -> Vec<String> {
        let detail = |one: &Value| one["detail"].as_str().expect("a detail").to_owned();
        all.iter().map(detail).collect()
    };
    assert_eq!(details(&planned), details(&done));
    assert!(done.iter().all(|one| one["result"] == "done"), "{done:?}");
    let told = details(&done).join("\n");
    for key in [
        "core.sshcommand",
        "filter.x.clean",
        "insteadof",
        "remote.origin.url",
        "hooks",
    ] {
        assert!(told.contains(key), "{key} in {told}");
    }
    assert!(!told.contains("Tr0ub4dor"), "{told}");

    let bare = world.bare("p");
    let get = |key: &str| {
        world
            .try_git(&bare, ["config", "--local", "--get-all", key])
            .stdout
    };
    assert_eq!(get("core.sshCommand") + &get("filter.x.clean"), "");
    assert_eq!(get("remote.origin.pushurl"), "");
    assert_eq!(get("remote.origin.url").trim(), remote.url());
    assert_eq!(get("user.name"), "An Agent\n");
    assert_eq!(get("branch.topic.merge"), "refs/heads/topic\n");
    assert_eq!(get("remote.fork.url"), "https://fork.example/x.git\n");
    assert_eq!(found(&world, ""), Vec::<Value>::new());

    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("a.secret"), "seen again").expect("writing");
    world.commit(&dir, "work.txt", "work\n");
    assert!(world.git(&dir, "status --porcelain").contains("a.secret"));
    traps.assert_not_sprung("the next user's git");
    let kept = fs::read_dir(world.pool_dir("p").join("set-aside")).expect("what was kept");
    assert!(kept.count() >= 3, "what was there is kept");
    assert!(!world.events("p", "repaired").is_empty());
}

/// A holder may count on what it has set up: it is told, and stays until no slot is allocated.
#[test]
fn recover_leaves_what_a_holder_may_count_on() {
    let (world, _remote, _traps) = pool_with_changes();
    world.pool("allocate p").ok();
    let told = found(&world, "");
    assert!(told.len() >= 3, "{told:?}");
    assert!(
        told.iter().all(|one| one["result"] == "reported"),
        "{told:?}"
    );
    let kept = world.git(&world.bare("p"), "config core.sshCommand");
    assert!(kept.ends_with("evil"));
    world.pool("release p/slot1").ok();
    let done = found(&world, "");
    assert!(done.iter().all(|one| one["result"] == "done"), "{done:?}");
    assert_eq!(found(&world, ""), Vec::<Value>::new());
}

/// A config with which no git works is put right at once, also while a slot is held.
#[test]
fn recover_puts_a_broken_config_right_at_once() {
    let breakages = [
        "[core\nbroken",
        "[core]\n\tbare = true\n",
        "[core]\n\tbare\n",
        "[core]\n\tworktree = /nonexistent\n",
        "[core]\n\trepositoryformatversion = 9\n",
        "[extensions]\n\tnonsense = true\n",
        "[core]\n\tcompression = plenty\n",
    ];
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let config = world.bare("p").join("config");
    let was = fs::read_to_string(&config).expect("the config");
    for broken in breakages {
        fs::write(&config, format!("{was}{broken}")).expect("writing");
        let done = found(&world, "");
        assert_eq!(done.len(), 1, "{broken:?}: {done:?}");
        assert_eq!(done[0]["result"], "done", "{broken:?}: {done:?}");
        assert_eq!(world.git(&dir, "remote get-url origin"), remote.url());
        assert_eq!(found(&world, ""), Vec::<Value>::new(), "{broken:?}");
    }
}

/// Who gets a slot gets one in which git works, whatever the last one did to the config.
#[test]
fn allocate_hands_out_no_slot_in_which_no_git_works() {
    for broken in ["[core\nbroken", "[core]\n\tworktree = /nonexistent\n"] {
        let (world, remote) = World::with_pool(1);
        let dir = world.pool("allocate p --branch work").ok().path();
        world.git(&dir, "config branch.work.description mine");
        let config = world.bare("p").join("config");
        let was = fs::read_to_string(&config).expect("the config");
        fs::write(&config, was + broken).expect("writing");
        world.pool("release p/slot1").ok();
        let out = world.pool("allocate p --branch topic");
        assert_eq!(
            world.git(&out.ok().path(), "rev-parse --abbrev-ref @{u}"),
            "origin/topic"
        );
        out.says("set-aside");
        world.assert_sound("p");
        world.pool("release p/slot1").ok();
        let out = world.pool("allocate p");
        world.assert_holds(&out.ok().path(), &remote, &world.tip(&remote, "main"));
        out.never_says("set-aside");
    }
}

/// Looking at the config costs a git process where it was changed, and only once.
#[test]
fn a_config_that_was_looked_at_is_not_looked_at_again() {
    let (world, _remote) = World::with_pool(1);
    let looks = || {
        let out = world.pool("-vv allocate p");
        let said = out.ok().stderr.matches("config --file").count();
        world.pool("release p/slot1").ok();
        said
    };
    assert_eq!([looks(), looks()], [0, 0]);
    world.git(
        &world.bare("p"),
        "config branch.topic.merge refs/heads/topic",
    );
    assert_ne!(looks(), 0);
    assert_eq!([looks(), looks()], [0, 0]);
}

/// The view is the pool's own: it comes back when somebody deletes it or a part of it.
#[test]
fn a_deleted_view_of_the_repository_comes_back() {
    let (world, remote) = World::with_pool(1);
    let view = world.pool_dir("p").join("view.git");
    for part in ["", "refs", "config", "HEAD"] {
        let path = view.join(part);
        if part.is_empty() {
            fs::remove_dir_all(&view).expect("deleting");
        } else {
            fs::remove_file(path).expect("deleting");
        }
        let pushed = world.push_commit(&remote, "late.txt", part);
        let dir = world.pool("allocate p").ok().path();
        world.assert_holds(&dir, &remote, &pushed);
        world.pool("release p/slot1").ok();
        world.assert_sound("p");
    }
    world.pool("recover --dry-run").ok();
}
