//! What a dispatcher or a shim leaves that nobody comes back for.

use super::{WAIT, pid_in, task};
use crate::support::{Queue, alive, kill, kill_on_drop, until};
use rustix::process::Signal;

/// Leaves a process in a session of its own, without the task's environment, and tells its pid.
const LEAVE: &str = "setsid env -i PATH=\"$PATH\" sh -c 'echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 600' \
    \"$PLACE/far\" > /dev/null 2>&1 & until [ -e \"$PLACE/far\" ]; do sleep 0.01; done; \
    echo \"$PPID\" > \"$PLACE/shim\"; echo $$ > \"$PLACE/near\"";

/// 8: a shim that stands still is ended with all that it watches, before its task goes to another
/// runner and its slot to anybody.
#[test]
fn the_task_of_a_silent_runner_goes_to_another() {
    let queue = Queue::with_slots(1, "")
        .settings("[dispatch]\nheartbeat_timeout = \"2s\"\nretry_backoff_base = 1\n");
    let script = format!(
        "if [ $REPO_POOL_ATTEMPT = 1 ]; then {LEAVE}; echo work > left; kill -STOP $PPID; {WAIT}; fi; \
         for who in far near shim; do case \"$(cut -d' ' -f3 /proc/$(cat \"$PLACE/$who\")/stat)\" in \
         ''|Z) ;; *) exit 78;; esac; done; test ! -e left"
    );
    queue.write(&task(&queue, "a", &script, "repo = \"p\"\nretries = 9"));
    queue.run("").run().ok();
    let failed = &queue.all("RunnerFailed")[0];
    assert_eq!(
        (&failed["class"], &failed["counted"]),
        (&"silent".into(), &true.into())
    );
    for name in ["far", "near", "shim"] {
        assert!(!alive(pid_in(&queue, name)), "{name}");
    }
    assert!(
        queue.all("SlotReleased")[0]["rescue"].is_string(),
        "its work is saved"
    );
    queue.all_slots_are_free();
}

/// A run that is never taken up again: as long as its runner works the slot is that one's; when nobody
/// is left who could end it, `recover` ends what the task left running, saves the work and gives the
/// slot back. Somebody in the slot who can't be told from a person is named.
#[test]
fn recover_alone_takes_back_what_a_dead_run_has_left() {
    let queue = Queue::with_slots(2, "");
    let script = format!("{LEAVE}; echo work > work; {WAIT}");
    let plain = format!("echo $$ > \"$PLACE/b\"; echo work > work; {WAIT}");
    queue.write(
        &[
            task(&queue, "a", &script, "repo = \"p\""),
            task(&queue, "b", &plain, "repo = \"p\""),
        ]
        .concat(),
    );
    let run = queue.run("--max 2").spawn();
    let [far, near, b] = ["far", "near", "b"].map(|name| pid_in(&queue, name));
    let _far = kill_on_drop(far);
    queue.until("RunnerStarted", 2);
    run.signal(Signal::KILL);
    run.finish();
    let slot = |id: &str| {
        let mut slots = queue.all("SlotAllocated").into_iter();
        let event = slots.find(|event| event["task"] == id).expect("its slot");
        format!("p/slot{}", event["slot"]["number"])
    };
    let state = |id: &str| queue.world.state(&slot(id));
    queue.world.pool("recover").ok();
    assert_eq!([state("a"), state("b")], ["allocated", "allocated"]);
    assert!([far, near, b].into_iter().all(alive));
    let handles = queue.all("RunnerStarted");
    for handle in handles.iter().filter_map(|event| event["handle"].as_str()) {
        let shim = handle.trim_start_matches("pid ").parse().expect("a pid");
        kill(shim, Signal::KILL);
        until("it is gone", || (!alive(shim)).then_some(()));
    }
    let look = queue.world.pool("recover --dry-run");
    assert!(look.code(1).stdout.contains(&format!("pid {b}")), "{look}");
    assert!(alive(b));
    let done = queue.world.pool("recover");
    assert!(
        done.ok().stdout.contains(&format!("pid {far} is inside")),
        "{done}"
    );
    assert!(!alive(near) && !alive(b) && alive(far));
    assert_eq!([state("a"), state("b")], ["allocated", "available"]);
    queue.world.pool(["release", &slot("a"), "--kill"]).ok();
    assert!(!alive(far));
    queue.all_slots_are_free();
    let rescues = queue.world.pool("rescue list p --json");
    for id in ["a", "b"] {
        assert!(
            rescues.ok().stdout.contains(&format!("task {id} of")),
            "{rescues}"
        );
    }
}

/// The same for a runner that came to its end when nobody was there.
#[test]
fn the_slot_of_an_orphan_comes_back_by_itself() {
    let queue = Queue::with_slots(1, "");
    let script = format!("echo work > work; echo $PPID > \"$PLACE/shim\"; {WAIT}");
    queue.write(&task(&queue, "a", &script, "repo = \"p\""));
    let run = queue.run("").spawn();
    let shim = pid_in(&queue, "shim");
    queue.until("RunnerStarted", 1);
    run.signal(Signal::KILL);
    run.finish();
    super::open(&queue, &["a"]);
    until("it is gone", || (!alive(shim)).then_some(()));
    // Whoever wants a slot gets it.
    queue.world.pool("allocate p").ok();
    let rescues = queue.world.pool("rescue list p --json");
    assert!(rescues.ok().stdout.contains("task a of"), "{rescues}");
    // The run does not take it from them when it is taken up after all.
    queue.run("").run().ok();
    assert_eq!(queue.world.state("p/slot1"), "allocated");
    assert_eq!(queue.completed()["a"], 1);
}
