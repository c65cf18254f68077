//! Records that can't be read, or must not be written.

use crate::support::World;
use serde_json::Value;
use std::fs;

/// An unreadable record stops every writer, and recover makes a new one without losing work.
#[test]
fn an_unreadable_record_stops_writers_until_recover() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "hard work\n").expect("writing");
    let record = world.pool_dir("p").join("pool.json");
    fs::write(&record, "{\"schema\": 1, \"na").expect("writing");
    for command in [
        "allocate p",
        "release p/slot1",
        "add-slot p",
        "remove-slot p/slot1",
    ] {
        let out = world.pool(command);
        assert_ne!(out.code, 0, "{out}");
        out.silent().says("recover");
    }
    world.pool("recover p").one_of(&[0, 1]);
    assert_eq!(world.slots("p").len(), 2);
    let kept = fs::read_to_string(dir.join("work.txt")).is_ok_and(|t| t == "hard work\n");
    assert!(kept || world.is_rescued("p", "hard work\n"));
    for slot in ["p/slot1", "p/slot2"] {
        world
            .pool(format!("recover {slot} --force"))
            .one_of(&[0, 1]);
    }
    assert!(world.is_rescued("p", "hard work\n"));
    world.assert_sound("p");
}

/// A record of a newer version is read and never written.
#[test]
fn a_newer_record_is_read_and_not_written() {
    let (world, _remote) = World::with_pool(1);
    let record = world.pool_dir("p").join("pool.json");
    let text = fs::read_to_string(&record).expect("the record");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    value["schema"] = 999.into();
    value["something_new"] = "from later".into();
    fs::write(&record, value.to_string()).expect("writing");
    let before = fs::read(&record).expect("the record");
    for command in [
        "allocate p",
        "add-slot p",
        "remove-slot p/slot1",
        "isolate p/slot1",
        "remove-pool p",
    ] {
        world.pool(command).code(1).silent();
    }
    world.pool("status p").one_of(&[0, 1]);
    assert_eq!(world.list(), ["p"]);
    world.pool("recover").one_of(&[0, 1]);
    assert_eq!(fs::read(&record).expect("the record"), before);
}
