//! `--jobs`: how many things are done at once changes nothing but the time.

use crate::support::{Out, World};
use serde_json::Value;
use std::fs;

/// What `recover` found and did, but for what differs from run to run.
#[track_caller]
fn findings(out: &Out) -> Vec<[String; 4]> {
    let found = out.json()["findings"].as_array().expect("findings").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    found
        .iter()
        .map(|one| ["repo_name", "slot_id", "kind", "result"].map(|key| text(&one[key])))
        .collect()
}

/// 10.1: several pools and several slots of each are repaired at once as they are one by one.
#[test]
fn recover_does_the_same_with_one_job_and_with_many() {
    let mut all = Vec::new();
    for jobs in [1, 4] {
        let world = World::new();
        let remote = world.small_remote("remote");
        for pool in ["p", "q"] {
            let create = format!("create {pool} {} -n 5 --jobs {jobs}", remote.url());
            world.pool(create).ok();
            let dir = world.pool_dir(pool);
            let parked = |slot: &str| dir.join("parked").join(slot);
            fs::remove_dir_all(parked("slot1")).expect("removing");
            fs::write(parked("slot2").join("stray.txt"), "strayed\n").expect("writing");
            fs::write(parked("slot3").join(".git"), "gitdir: /nowhere\n").expect("writing");
            fs::remove_file(dir.join("repo.git/worktrees/slot4/index")).expect("removing");
            fs::remove_dir_all(dir.join("repo.git/worktrees/slot5")).expect("removing");
        }
        let out = world.pool(format!("recover --json --jobs {jobs}"));
        let mut found = findings(out.ok());
        found.sort();
        assert_eq!(found.len(), 10, "{out}");
        assert!(found.iter().all(|one| one[3] == "done"), "{out}");
        world.pool("recover --dry-run").ok();
        for pool in ["p", "q"] {
            assert!(world.is_rescued(pool, "strayed\n"));
            let slots = world.slots(pool);
            assert!(
                slots.iter().all(|slot| slot["verified"] == true),
                "{slots:?}"
            );
            world.assert_sound(pool);
        }
        all.push(found);
    }
    assert_eq!(all[0], all[1]);
}

/// The flag stands above the environment, and that above the file; nonsense is refused.
#[test]
fn jobs_come_from_flag_environment_and_file_in_this_order() {
    let world = World::new();
    world.declare("[defaults]\njobs = 3\n");
    let origin = |out: &Out| {
        let lines = out.ok().stdout.lines();
        let mut lines = lines.filter(|line| line.starts_with("jobs "));
        lines.next().expect("the setting").to_owned()
    };
    assert!(origin(&world.pool("config show")).contains("pools.toml"));
    let call = || world.call("config show").env("REPO_POOL_JOBS", "5");
    let said = origin(&call().run());
    assert!(
        said.contains('5') && said.contains("REPO_POOL_JOBS"),
        "{said}"
    );
    let call = world
        .call("config show --jobs 7")
        .env("REPO_POOL_JOBS", "5");
    let said = origin(&call.run());
    assert!(said.contains('7') && said.contains("--jobs"), "{said}");
    for wrong in ["many", "-1", "9999"] {
        world.pool(["list", "--jobs", wrong]).code(2);
    }
}
