//! Processes and mounts inside a slot: nothing is done to it until they are gone.

use super::look::{assert_provably_clean, trace};
use crate::support::{Call, World, is_root};
use std::path::Path;

/// Ways to be inside a slot: the script of a process that stays.
const INSIDE: [(&str, &str, &str); 6] = [
    ("its working directory", ".", "true"),
    ("its working directory below", "docs", "true"),
    ("an open file", "/", "exec 3< \"$SLOT/README.md\""),
    (
        "an open file that was deleted",
        "/",
        "exec 3> \"$SLOT/gone\"; rm \"$SLOT/gone\"",
    ),
    (
        "its program",
        "/",
        "cp \"$(command -v sleep)\" \"$SLOT/zzz\"; \"$SLOT/zzz\" 600 &
         until [ \"$(readlink /proc/$!/exe)\" = \"$SLOT/zzz\" ]; do :; done; rm \"$SLOT/zzz\"",
    ),
    (
        "a library",
        "/",
        "cp /lib/*/libm.so.6 \"$SLOT/lib.so\"; LD_PRELOAD=\"$SLOT/lib.so\" sleep 600 &
         until grep -q lib.so /proc/$!/maps; do :; done",
    ),
];

/// Section 5, 3.4: whatever a process uses of a slot, the slot is not cleaned under it.
#[test]
fn a_slot_is_not_available_while_a_process_is_inside() {
    for (how, cwd, script) in INSIDE {
        let (world, remote) = World::with_pool(1);
        let dir = world.pool("allocate p").ok().path();
        let script = format!("SLOT='{}'\n{script}", dir.display());
        let inside = world.helper(&dir.join(cwd), &script);
        let before = trace(&world, &dir);
        for option in ["", "--discard", "--no-cleanup", "--force"] {
            world
                .pool(format!("release p/slot1 {option}"))
                .code(5)
                .silent();
            assert_eq!(trace(&world, &dir), before, "{how} {option}");
            assert_eq!(world.state("p/slot1"), "allocated", "{how} {option}");
        }
        world.pool("remove-slot p/slot1 --force").code(5).silent();
        assert_eq!(trace(&world, &dir), before, "{how}");
        inside.end();
        world.pool("release p/slot1").ok();
        world.pool("allocate p").ok();
        let tip = world.tip(&remote, "main");
        assert_provably_clean(&world, &remote, &dir, &tip, how);
    }
}

/// 3.2, section 6: what somebody mounted into a slot, in a mount namespace of their own, which an
/// ordinary user may do as well.
#[test]
fn a_slot_is_not_cleaned_through_a_mount() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let precious = world.path("precious");
    for place in [
        precious.join("deep"),
        dir.join("target/mnt"),
        dir.join("plain"),
    ] {
        std::fs::create_dir_all(place).expect("a directory");
    }
    std::fs::write(precious.join("deep/file"), "precious\n").expect("writing");
    for place in ["target/mnt", "plain", "docs"] {
        for verb in [
            "release p/slot1",
            "release p/slot1 --discard",
            "remove-slot p/slot1 --force",
        ] {
            let Some(code) = mounted(&world, &precious, &dir.join(place), verb) else {
                return; // not every system allows it
            };
            assert_eq!(code, 5, "{verb} with a mount at {place}");
            let kept = std::fs::read_to_string(precious.join("deep/file"));
            assert_eq!(
                kept.expect("the file"),
                "precious\n",
                "{verb} with a mount at {place}"
            );
            assert_eq!(world.state("p/slot1"), "allocated");
        }
    }
    world.pool("release p/slot1").ok();
    world.pool("allocate p").ok();
    let tip = world.tip(&remote, "main");
    assert_provably_clean(&world, &remote, &dir, &tip, "once mounted");
}

/// Runs the binary where `from` is mounted at `at`; none if that is not allowed.
fn mounted(world: &World, from: &Path, at: &Path, args: &str) -> Option<i32> {
    let script = format!("mount --bind \"$1\" \"$2\" || exit 99; exec \"$REPO_POOL\" {args}");
    let mut unshare = world.command("unshare");
    let own_user: &[&str] = if is_root() { &["-m"] } else { &["-r", "-m"] };
    unshare
        .args(own_user)
        .args(["--", "sh", "-c", &script, "sh"])
        .args([from, at]);
    let mut probe = world.command("unshare");
    let allowed = probe.args(own_user).args(["--", "true"]).output();
    if !allowed.is_ok_and(|out| out.status.success()) {
        return None;
    }
    let out = Call::new(unshare).run();
    (out.code != 99).then_some(out.code)
}
