//! `apply`: the pools become what `pools.toml` declares, and nothing else is touched.

use crate::support::{Out, Remote, World, snapshot};
use serde_json::Value;

/// A declaration of a pool with some slots.
fn pool(name: &str, remote: &Remote, slots: u32) -> String {
    format!(
        "[pools.{name}]\nrepo_url = \"{}\"\nnum_slots = {slots}\n",
        remote.url()
    )
}

/// How many slots a pool has.
#[track_caller]
fn slots(world: &World, pool: &str) -> usize {
    world.slots(pool).len()
}

/// The lines of what was or would be done, blanks made one.
fn lines(out: &Out) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    out.stdout.lines().map(words).collect()
}

/// What `apply --json` says of its steps: the action, the pool or slot, and the result.
#[track_caller]
fn steps(out: &Out) -> Vec<(String, String, String)> {
    let document = out.json();
    let steps = document["result"]["steps"].as_array().expect("steps");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = |step: &Value| match &step["slot_id"] {
        Value::String(slot) => slot.clone(),
        _ => text(&step["repo_name"]),
    };
    let step = |step: &Value| (text(&step["action"]), about(step), text(&step["result"]));
    steps.iter().map(step).collect()
}

/// 8.2: all declared pools are made in one step, as the dry run said, and a second run changes
/// nothing.
#[test]
fn declared_pools_are_made_in_one_step() {
    let world = World::new();
    let (one, two) = (world.small_remote("one"), world.small_remote("two"));
    world.declare(&format!("{}{}", pool("web", &one, 3), pool("api", &two, 1)));
    let before = snapshot(&world.workspace());
    let planned = world.pool("apply --dry-run");
    planned.code(1).says("2 changes");
    assert_eq!(
        lines(&planned),
        [
            format!("+ pool web {} 3 slots", one.url()),
            format!("+ pool api {} 1 slot", two.url()),
        ]
    );
    assert_eq!(
        snapshot(&world.workspace()),
        before,
        "a dry run changes nothing"
    );
    let done = world.pool("apply");
    assert_eq!(done.ok().stdout, planned.stdout);
    assert_eq!((slots(&world, "web"), slots(&world, "api")), (3, 1));
    let before = snapshot(&world.workspace());
    let again = world.pool("apply");
    again.ok().silent().says("nothing to do");
    assert_eq!(
        snapshot(&world.workspace()),
        before,
        "a second run changes nothing"
    );
    world.pool("apply --dry-run").ok().silent();
    for args in ["-q apply", "apply --json", "apply --dry-run --json"] {
        assert_eq!(world.pool(args).ok().stderr, "", "{args}");
    }
    assert_eq!(
        lines(&world.pool("apply -v")),
        ["= pool web 3 slots", "= pool api 1 slot"]
    );
    world.pool("allocate web").ok().path();
}

/// 8.3: more slots are made; fewer are only with `--prune`, idle ones alone, the highest first.
#[test]
fn a_changed_number_of_slots_is_applied() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.declare(&pool("p", &remote, 2));
    world.pool("apply").ok();
    world.declare(&pool("p", &remote, 5));
    let out = world.pool("apply");
    assert_eq!(lines(out.ok()), ["~ pool p slots 2 -> 5"]);
    assert_eq!(slots(&world, "p"), 5);
    let held: Vec<String> = (0..5)
        .map(|_| {
            world.allocate("p")["slot_path"]
                .as_str()
                .expect("a path")
                .to_owned()
        })
        .collect();
    for path in held
        .iter()
        .filter(|path| !path.ends_with("slot4") && !path.ends_with("slot2"))
    {
        world.pool(["release", path]).ok();
    }
    world.declare(&pool("p", &remote, 1));
    let out = world.pool("apply");
    assert_eq!(
        lines(out.ok()),
        ["! pool p 5 slots, 1 declared; --prune removes the others"]
    );
    assert_eq!(slots(&world, "p"), 5);
    let planned = world.pool("apply --prune --dry-run");
    planned.code(1);
    let out = world.pool("apply --prune");
    out.code(5).says("workspace-p-slot4").says("allocated");
    assert_eq!(
        lines(&out),
        ["- slot p/slot5", "- slot p/slot3", "- slot p/slot1"]
    );
    assert!(lines(&planned).starts_with(&lines(&out)), "{planned}");
    let left: Vec<Value> = world.slots("p");
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|slot| slot["state"] == "allocated"));
    // What could not go for its holders goes when they have.
    for path in &held {
        world.pool(["release", path]).one_of(&[0, 7]);
    }
    let out = world.pool("apply --prune");
    assert_eq!(lines(out.ok()), ["- slot p/slot4"]);
    world.pool("apply --prune").ok().silent();
}

/// 8.3: what was declared once goes with `--prune`; what never was is never touched.
#[test]
fn only_what_was_declared_once_is_removed() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let declared = [pool("made", &remote, 1), pool("used", &remote, 1)].concat();
    world.declare(&declared);
    world
        .pool(format!("create mine {} -n 3", remote.url()))
        .ok();
    world.pool("apply").ok();
    world.pool("remove-pool used").ok();
    world.pool("release used/slot1").code(7);
    let slot = world.pool("allocate used").ok().path();
    world.pool(["release", &slot.display().to_string()]).ok();
    world.declare("");
    let out = world.pool("apply");
    assert_eq!(
        lines(out.ok()),
        [
            "! pool made declared no more; --prune removes it",
            "! pool used declared no more; --prune removes it"
        ]
    );
    assert_eq!(world.list(), ["made", "mine", "used"]);
    let planned = world.pool("apply --prune --dry-run");
    planned.code(1);
    let out = world.pool("apply --prune");
    assert_eq!(out.ok().stdout, planned.stdout);
    assert_eq!(world.list(), ["mine"]);
    assert_eq!(slots(&world, "mine"), 3);
    world.pool("apply --prune").ok().silent();
}

/// 8.3: a pool that holds work or is in use stays, and says so; the others go.
#[test]
fn a_pool_with_saved_work_is_left() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let names = ["work", "held", "idle"];
    world.declare(&names.map(|name| pool(name, &remote, 1)).concat());
    world.pool("apply").ok();
    let slot = world.pool("allocate work").ok().path();
    std::fs::write(slot.join("new.txt"), "new").expect("writing");
    world.pool(["release", &slot.display().to_string()]).ok();
    world.pool("allocate held").ok();
    world.declare("");
    let planned = world.pool("apply --prune --dry-run");
    planned.code(1);
    let out = world.pool("apply --prune");
    out.code(5)
        .says("pool work")
        .says("saved work")
        .says("pool held")
        .says("allocated");
    assert_eq!(lines(&out), ["- pool idle 1 slot, declared no more"]);
    let said = lines(&planned);
    assert!(
        said.iter()
            .any(|line| line.starts_with("! pool work left:")),
        "{planned}"
    );
    assert_eq!(world.list(), ["held", "work"]);
    world.pool("apply --prune --dry-run").code(5);
    let document = world.pool("apply --prune --json");
    document.code(5);
    assert!(
        steps(&document).contains(&("keep_pool".into(), "work".into(), "refused".into())),
        "{document}"
    );
}

/// 8.3: work that is found in a slot that goes is saved, and one that somebody is in stays.
#[test]
fn work_in_a_slot_that_goes_is_saved() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.declare(&pool("p", &remote, 3));
    world.pool("apply").ok();
    std::fs::write(world.idle_dir("slot3").join("left.txt"), "left").expect("writing");
    let inside = world.helper(&world.idle_dir("slot2"), "");
    world.declare(&pool("p", &remote, 1));
    let out = world.pool("apply --prune");
    out.code(5).says("rescue show").says("inside");
    assert_eq!(lines(&out), ["- slot p/slot3"]);
    let saved = world.pool("rescue list --json").json();
    assert_eq!(saved["rescues"][0]["slot_id"], "workspace-p-slot3");
    inside.end();
    let out = world.pool("apply --prune");
    assert_eq!(lines(out.ok()), ["- slot p/slot2"]);
}

/// 8.3: a pool that was made by hand is taken over when it is declared, with its base.
#[test]
fn a_pool_made_by_hand_is_adopted() {
    let world = World::new();
    let remote = world.remote();
    let url = remote.url();
    world.pool(format!("create p {url} -n 1 --base topic")).ok();
    world.declare(&format!(
        "{}base = \"release/1.0\"\n",
        pool("p", &remote, 1)
    ));
    let planned = world.pool("apply --dry-run");
    let out = world.pool("apply");
    assert_eq!(
        lines(out.ok()),
        [
            "~ pool p declared from now on",
            "~ pool p base topic -> release/1.0"
        ]
    );
    assert_eq!(out.stdout, planned.stdout);
    let slot = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&slot), world.tip(&remote, "release/1.0"));
    world.pool("apply").ok().silent();
    world.declare(&format!("{}base = \"nowhere\"\n", pool("p", &remote, 1)));
    world.pool("apply").code(1).silent().says("nowhere");
    world.declare("");
    world.pool("release p/slot1 --force").ok();
    let out = world.pool("apply --prune");
    assert_eq!(lines(out.ok()), ["- pool p 1 slot, declared no more"]);
}

/// 8.4: what contradicts a pool is refused as a whole, with file, line, key and the way to do it.
#[test]
fn a_changed_url_is_refused_before_anything_is_done() {
    let world = World::new();
    let (one, two) = (world.small_remote("one"), world.small_remote("two"));
    world.declare(&pool("p", &one, 1));
    world.pool("apply").ok();
    world.declare(&[pool("new", &one, 1), pool("p", &two, 2), pool("P", &one, 1)].concat());
    world.pool("apply").code(2).says("case only");
    world.declare(&[pool("new", &one, 1), pool("p", &two, 2)].concat());
    let before = snapshot(&world.workspace());
    for args in ["apply", "apply --prune", "apply --dry-run"] {
        world
            .pool(args)
            .code(2)
            .silent()
            .says("pools.toml:5: pools.p.repo_url")
            .says("remove-pool p");
    }
    world.pool("apply --json").code(2).kind("config_validation");
    world.declare(&[pool("new", &one, 1), pool("P", &one, 1)].concat());
    world
        .pool("apply")
        .code(2)
        .says("pools.toml:4: pools.P")
        .says("case only");
    world.declare(&[pool("new", &one, 1), pool("p", &two, 2)].concat());
    assert_eq!(snapshot(&world.workspace()), before, "nothing is done");
    // The way that it names.
    world.pool("remove-pool p").ok();
    world.pool("apply").ok();
    assert_eq!(world.list(), ["new", "p"]);
}

/// 8.4: what a repository is made with can't be changed afterwards; a default is for pools to come.
#[test]
fn a_changed_filter_or_depth_is_refused() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let declared = |more: &str| world.declare(&(pool("p", &remote, 1) + more));
    declared("depth = 5\n");
    world.pool("apply").ok();
    world.pool("apply").ok().silent();
    for (more, says) in [
        ("depth = 6\n", "pools.p.depth: pool p was made with 5"),
        ("", "pools.p.depth: pool p was made with 5"),
        (
            "depth = 5\nfilter = \"blob:none\"\n",
            "pools.p.filter: pool p was made without it",
        ),
    ] {
        declared(more);
        let out = world.pool("apply");
        out.code(2).silent().says(says).says("remove-pool p");
    }
    declared("depth = 5\n\n[defaults]\nfilter = \"blob:none\"\n");
    world.pool("apply").ok().silent();
    // Nor does a record that was made anew differ from what was declared.
    std::fs::remove_file(world.pool_dir("p").join("pool.json")).expect("the record");
    world.pool("recover p").ok();
    world.pool("apply").ok();
}

/// 8.4: a wrong file changes nothing, and neither does one that is not there.
#[test]
fn a_wrong_file_changes_nothing() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.pool("apply").code(2).says("config import");
    assert!(!world.workspace().exists());
    world.declare(&pool("p", &remote, 1));
    world.pool("apply").ok();
    let wrong = format!(
        "{}{}num_slot = 3\n",
        pool("q", &remote, 1),
        pool("p", &remote, 4)
    );
    world.declare(&wrong);
    let before = snapshot(&world.workspace());
    for args in ["apply", "apply --prune", "apply --dry-run"] {
        let out = world.pool(args);
        out.code(2).silent().says("num_slot").says("num_slots");
    }
    assert_eq!(snapshot(&world.workspace()), before);
    std::fs::remove_file(world.workspace().join("pools.toml")).expect("removing");
    world.pool("apply --prune").code(2).says("there is no");
    assert_eq!(world.list(), ["p"]);
}

/// 8.2: a pool that can't be made is named, and stops none of the others.
#[test]
fn an_unreachable_remote_stops_none_of_the_others() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let gone = |name: &str| {
        let url = remote.url().replace("remote.git", "gone.git");
        format!("[pools.{name}]\nrepo_url = \"{url}\"\n")
    };
    let text = [
        gone("a"),
        pool("b", &remote, 2),
        gone("c"),
        pool("d", &remote, 1),
    ]
    .concat();
    world.declare(&text);
    let out = world.pool("apply");
    out.code(1)
        .says("pool a: ")
        .says("pool c: ")
        .says("gone.git");
    assert_eq!(lines(&out).len(), 2, "{out}");
    assert_eq!(world.list(), ["b", "d"]);
    let out = world.pool("apply --json");
    out.code(1);
    assert_eq!(
        steps(&out),
        [
            ("create_pool", "a", "failed"),
            ("unchanged", "b", "unchanged"),
            ("create_pool", "c", "failed"),
            ("unchanged", "d", "unchanged"),
        ]
        .map(|(action, about, result)| (
            action.to_owned(),
            about.to_owned(),
            result.to_owned()
        ))
    );
    let errors = out.stderr.lines().filter(|line| line.contains("\"error\""));
    assert_eq!(errors.count(), 2, "{out}");
}

/// A pool whose record is gone is named, and nothing is made in its place.
#[test]
fn a_pool_without_a_record_is_left_to_recover() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.declare(&[pool("p", &remote, 1), pool("q", &remote, 1)].concat());
    world.pool("apply").ok();
    let record = world.pool_dir("p").join("pool.json");
    std::fs::remove_file(&record).expect("removing");
    world.declare(&[pool("p", &remote, 2), pool("q", &remote, 2)].concat());
    world.pool("apply").code(1).says("recover p");
    assert_eq!(slots(&world, "q"), 2);
    world.pool("recover").ok();
    world.pool("apply").ok();
    assert_eq!(slots(&world, "p"), 2);
    std::fs::write(&record, "torn").expect("writing");
    world.pool("apply").code(1).says("pool p");
    world.pool("recover p").ok();
    world.declare(&pool("q", &remote, 2));
    let out = world.pool("apply --prune");
    assert_eq!(lines(out.ok()), ["- pool p 2 slots, declared no more"]);
}

/// Two at once make each pool once, and with no more slots than are declared.
#[test]
fn two_at_once_make_what_is_declared() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let names = ["a", "b", "c"];
    world.declare(&names.map(|name| pool(name, &remote, 2)).concat());
    let both = |args: &str| {
        let running: Vec<_> = (0..3).map(|_| world.call(args).spawn()).collect();
        for one in running {
            one.finish().ok();
        }
    };
    both("apply");
    assert!(names.iter().all(|name| slots(&world, name) == 2));
    world.declare(&names.map(|name| pool(name, &remote, 6)).concat());
    both("apply");
    assert!(names.iter().all(|name| slots(&world, name) == 6));
    world.declare(&names.map(|name| pool(name, &remote, 1)).concat());
    both("apply --prune");
    assert!(names.iter().all(|name| slots(&world, name) == 1));
    world.declare("");
    both("apply --prune");
    assert!(world.list().is_empty());
    world.pool("recover --dry-run").ok();
}
