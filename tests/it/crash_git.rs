//! Every verb with one of its git commands killed, before it has begun and after it has done its
//! work; and every verb killed while one of its git commands lives on.
//!
//! A script in git's place does it, so nothing depends on timing. Usually every third git command is
//! taken, beginning with one that the seed chooses, and killed either before or after its work;
//! `REPO_POOL_TEST_CRASHES=all` takes each, and does both.

use crate::support::verbs::for_each_verb;
use crate::support::{
    DOCUMENTED, Scene, Stand, Verb, all_crashes, await_quiet, crash_places, kill_on_drop, say,
    snapshot, until, verbs,
};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// No verb runs so many git commands.
const MOST: u32 = 200;

/// The git commands that change a slot, its branch or its index: what they do late would meet the
/// next holder, so they hold the slot's lock themselves.
const CHANGING: [&str; 8] = [
    "add",
    "checkout",
    "clean",
    "read-tree",
    "reset",
    "symbolic-ref",
    "update-index",
    "update-ref",
];

macro_rules! with_one_git_killed {
    ($($verb:ident)*) => {
        mod killed {
            $(
                /// 9.4: see the module.
                #[test]
                fn $verb() {
                    super::kill_each_git(&super::verbs::$verb());
                }
            )*
        }
        mod lives_on {
            $(
                /// 9.4: see the module.
                #[test]
                fn $verb() {
                    super::outlived_by_each_git(&super::verbs::$verb());
                }
            )*
        }
    };
}
for_each_verb!(with_one_git_killed);

/// One git command after the other dies by a signal: no false success, nothing lost, and the
/// next commands work.
fn kill_each_git(verb: &Verb) {
    let mut scene = Scene::new(verb);
    let stand = Stand::new(&scene.world);
    let rounds: &[u32] = if all_crashes() { &[0, 1] } else { &[0] };
    for odd in rounds {
        for number in crash_places(3) {
            assert!(number < MOST, "{}: it never ends", verb.name);
            let mode = ["before", "after"][((number + odd) % 2) as usize];
            let args = scene.prepare(verb);
            stand.choose(number, mode);
            let call = scene.world.call(args).env("PATH", stand.path());
            let out = call.env("REPO_POOL_JOBS", "1").run();
            let calls = stand.calls();
            verb.ends_as_documented(&out);
            if out.code == 0 {
                (verb.succeeded)(&mut scene, &out);
            }
            scene.held.outside_changed(&scene.world);
            let what = format!("git call {number} killed {mode}: {out}");
            scene.in_order(verb, number % 2 == 0, &what);
            if calls < number {
                let times = number - 1;
                say(&format!("{}: git killed {times} times", verb.name));
                break;
            }
        }
    }
}

/// The command is killed while one git command after the other lives on: nobody touches a slot
/// that it may still change; once it is gone, everything works.
fn outlived_by_each_git(verb: &Verb) {
    let mut scene = Scene::new(verb);
    let stand = Stand::new(&scene.world);
    for number in crash_places(3).take_while(|number| *number < MOST) {
        let args = scene.prepare(verb);
        stand.choose(number, "hold");
        let call = scene.world.call(args).env("PATH", stand.path());
        let running = call.env("REPO_POOL_JOBS", "1").spawn();
        let held = until("git is held, or the command ends", || {
            match (stand.held(), crate::support::alive(running.pid())) {
                (Some(held), _) => Some(Some(held)),
                (None, false) => Some(None),
                (None, true) => None,
            }
        });
        let Some((pid, words)) = held else {
            running.finish();
            let times = number - 1;
            say(&format!("{}: outlived by git {times} times", verb.name));
            return;
        };
        let _ended = kill_on_drop(pid);
        running.signal(Signal::KILL);
        until("the command is gone", || {
            (!crate::support::alive(running.pid())).then_some(())
        });
        stand.choose(0, "none");
        scene.held.outside_changed(&scene.world);
        let what = format!("outlived by its git call {number}: {words}");
        match guarded_slot(pid) {
            Some(slot) if !is_unfinished(&scene) => nobody_touches(&scene, &slot, &what),
            // A pool whose maker was killed has nobody's work; the next command takes it away.
            Some(_) => scene.held.usable(&scene.world).none_after(&what),
            None => {
                assert!(!changes_a_slot(&words), "{what}: it holds no lock");
                let mut found = scene.held.usable(&scene.world);
                // One that only looks may stand in a slot while it does.
                let inside = format!("a process is inside slot workspace-{}-", scene.pool);
                found.0.retain(|broken| {
                    !(broken.what.contains(&inside) && broken.what.contains(&pid.to_string()))
                });
                found.none_after(&what);
            }
        }
        stand.let_go(pid);
        drop(running);
        await_quiet(&scene.world);
        scene.held.outside_changed(&scene.world);
        scene.in_order(verb, number % 2 == 0, &what);
    }
    panic!("{}: it never ends", verb.name);
}

/// 9.4: a git that a killed command has left hanging is ended once it has had the time that the
/// command would have given it, and its slot comes back.
#[test]
fn a_git_that_hangs_for_ever_is_ended_in_time() {
    let verb = verbs::release_work();
    let mut scene = Scene::new(&verb);
    let stand = Stand::new(&scene.world);
    let args = scene.prepare(&verb);
    // Whichever of its calls holds the slot's lock first.
    let held = (1..MOST).find_map(|number| {
        stand.choose(number, "hold");
        let call = scene.world.call(&*args).env("PATH", stand.path());
        let running = call.env("REPO_POOL_JOBS", "1").spawn();
        let (pid, _) = until("git is held", || stand.held());
        running.signal(Signal::KILL);
        if guarded_slot(pid).is_some() {
            return Some((pid, kill_on_drop(pid)));
        }
        stand.let_go(pid);
        drop(running);
        await_quiet(&scene.world);
        None
    });
    let (pid, _ended) = held.expect("a git that holds the lock");
    stand.choose(0, "none");
    let out = scene.world.pool(format!("{args} --lock-timeout 50ms"));
    out.code(3).says(pid.to_string());
    until("its time is over, and the release goes on", || {
        let call = scene.world.call(format!("{args} --lock-timeout 50ms"));
        let call = call.env("REPO_POOL_GIT_TIMEOUT", "1s");
        let out = call.env("REPO_POOL_CLEANUP_TIMEOUT", "1s").run();
        (out.one_of(&[0, 3]).code == 0).then_some(())
    });
    assert!(!crate::support::alive(pid));
    scene.held.outside_changed(&scene.world);
    scene.in_order(&verb, true, "left hanging");
}

/// The slot whose lock a process has as its stdin.
fn guarded_slot(pid: u32) -> Option<String> {
    [0, 1].into_iter().find_map(|stream| {
        let file = fs::read_link(format!("/proc/{pid}/fd/{stream}")).ok()?;
        let slot = file.file_name()?.to_str()?.strip_suffix(".lock")?;
        slot.starts_with("slot").then(|| slot.to_owned())
    })
}

/// Whether the words of a git command mean one of the tool's that changes a slot. Rescues may come
/// late.
fn changes_a_slot(words: &str) -> bool {
    let command = words.split(' ').find(|word| CHANGING.contains(word));
    let own = words.starts_with("-c core.hooksPath=/dev/null ");
    // Work is saved in a repository of its own, which nobody else knows.
    let elsewhere = ["refs/repo-pool/", "/repo-pool-tmp/"];
    // The bits that hide changes are taken off in a copy of the index. Branches of new slots are made
    // only where there are none.
    let elsewhere = [
        &elsewhere[..],
        &["--no-assume-unchanged", "--no-skip-worktree"],
        &["-m repo-pool: allocate --stdin"],
    ]
    .concat();
    let elsewhere = elsewhere.iter().any(|part| words.contains(part));
    own && command.is_some() && !elsewhere
}

/// Whether the pool is still being made, according to its record.
fn is_unfinished(scene: &Scene) -> bool {
    let record = fs::read(scene.world.pool_dir(scene.pool).join("pool.json")).unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(&record)
        .is_ok_and(|record| record.get("operation").is_some())
}

/// Whatever is called, the slot stays as it is while its lock is held.
#[track_caller]
fn nobody_touches(scene: &Scene, slot: &str, what: &str) {
    let world = &scene.world;
    let pool = scene.pool;
    let before = state_of(scene, slot);
    let id = format!("{pool}/{slot}");
    for args in [
        format!("release {id} --force --lock-timeout 50ms"),
        format!("remove-slot {id} --force --lock-timeout 50ms"),
        format!("recover {id} --force --lock-timeout 50ms"),
        "recover --lock-timeout 50ms".to_owned(),
        format!("allocate {pool} --no-fetch --lock-timeout 50ms"),
    ] {
        let out = world.pool(&*args);
        out.one_of(&DOCUMENTED);
        let after = state_of(scene, slot);
        assert_eq!(before, after, "{what}: it was touched by {out}");
    }
}

/// Everything that belongs to a slot: its files, its registration, its part of the record.
fn state_of(scene: &Scene, slot: &str) -> BTreeMap<PathBuf, String> {
    let dir = scene.world.pool_dir(scene.pool);
    let mut all = BTreeMap::new();
    for part in ["worktrees", "parked", "repo.git/worktrees"] {
        for (path, what) in snapshot(&dir.join(part).join(slot)) {
            all.insert(Path::new(part).join(path), what);
        }
    }
    let record = fs::read(dir.join("pool.json")).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_slice(&record).expect("pool.json parses");
    let slots = record["slots"].as_array().cloned().unwrap_or_default();
    let own = slots
        .iter()
        .find(|own| slot.as_bytes() == format!("slot{}", own["number"]).as_bytes());
    all.insert(PathBuf::from("record"), format!("{own:?}"));
    all
}
