//! Agent pools of type "exec": tasks as jobs of another engine, driven by a person's commands.
//!
//! Most tests have a small engine of their own, which can be made to misbehave; one has a real one.

mod hyperqueue;
mod scene;

use crate::support::{alive, kill, until};
use rustix::process::Signal;
use scene::{Scene, WAITS, sh};
use std::time::Duration;

/// 5, 8, 9: a job is told its task, works in its slot and on its branch, and ends as its command does.
#[test]
fn tasks_run_as_jobs_and_end_as_their_commands_do() {
    let odd = "a 'b' \"c\" $(d) \\n";
    let commit = "test \"$ODD\" = \"$1\" && echo one > new && git add new && git commit -qm one; \
                  echo $?; pwd; echo $REPO_POOL_AGENT_POOL; echo gone >&2";
    let tasks = [
        scene::task("commit", &["sh", "-c", commit, "sh", odd], "repo = \"p\""),
        sh(
            "later",
            "[ $REPO_POOL_ATTEMPT -gt 1 ] || exit 75",
            "retries = 0",
        ),
        sh("never", "exit 78", ""),
        sh("missing", "exec no-such-program", "retries = 1"),
        sh("killed", "kill -9 $$", "retries = 0"),
    ];
    let scene = Scene::with_slots(1, &tasks.concat());
    let scene = scene.settings(&format!(
        "env = {{ ODD = {odd:?} }}\n[dispatch]\ncooldown = \"10ms\"\n"
    ));
    scene.queue.run("").run().code(1);
    let queue = &scene.queue;
    let slot = queue.world.slot_path("slot1");
    assert_eq!(
        queue.log("commit", 1),
        format!("0\n{}\nengine\ngone\n", slot.display())
    );
    let tip = queue
        .world
        .git(&queue.world.bare("p"), "rev-parse refs/heads/rp/commit");
    let done = queue.all("RunnerCompleted");
    let commit = done
        .iter()
        .find(|e| e["task"] == "commit")
        .expect("its end");
    assert_eq!(commit["commit"], tip.as_str());
    assert_eq!(queue.completed()["later"], 1);
    assert_eq!(scene.ends("later"), ["try_later 75", "done 0"]);
    assert_eq!(scene.ends("never"), ["permanent 78"]);
    // Which of 126 and 127 is up to the shell where PATH has directories that nobody may look into.
    let missing = scene.ends("missing").join(", ");
    assert!(missing.starts_with("configuration 12"), "{missing}");
    assert_eq!(scene.ends("killed"), ["failure 137"]);
    queue.all_slots_are_free();
    let left = queue.attempt("commit", 1).join("job.env.sh");
    assert!(!left.exists(), "secrets are not left lying about");
}

/// Jobs may be the commands themselves; what they print and how they end is the engine's to tell then.
#[test]
fn an_engine_may_run_commands_and_tell_of_them() {
    let command = |id, script| scene::task(id, &["sh", "-c", script], "retries = 0");
    let tasks = [
        command("a", "echo one; echo two >&2"),
        command("b", "echo 'three  words'; exit 7"),
    ];
    let scene = Scene::of_commands(&tasks.concat());
    scene.queue.run("").run().code(1);
    assert_eq!(scene.ends("a"), ["done 0"]);
    assert_eq!(scene.ends("b"), ["failure 7"]);
    assert_eq!(scene.queue.log("a", 1), "one\ntwo\n");
    assert_eq!(scene.queue.log("b", 1), "three  words\n");
}

/// 6, 8: no more jobs than the agent pool may have; one that takes too long is cancelled, and the time
/// that it waits in the engine's queue is not its own.
#[test]
fn a_job_that_takes_too_long_is_cancelled() {
    let script = format!("{WAITS}; touch $DIR/went-on");
    let tasks = [
        sh("a", &script, "timeout = \"1s\"\nretries = 0"),
        sh("b", "true", "retries = 0"),
    ];
    let scene = Scene::new(&tasks.concat()).settings("max_concurrency = 1\n");
    scene.is("held");
    let run = scene.queue.run("").spawn();
    scene.queue.until("RunnerStarted", 1);
    scene.has_waited_for(Duration::from_millis(1500));
    scene.is_no_more("held");
    run.finish().code(1);
    // On a busy machine its time may be over before it has said anything.
    let pid = std::fs::read_to_string(scene.queue.path("pid-a")).unwrap_or_default();
    assert!(!pid.trim().parse().is_ok_and(alive), "{pid}");
    assert_eq!(scene.ends("a"), ["timeout 143"]);
    assert_eq!(scene.ends("b"), ["done 0"]);
    let order: Vec<_> = scene
        .queue
        .events()
        .iter()
        .filter_map(|e| e["event"].as_str().map(String::from))
        .filter(|e| e.starts_with("Runner"))
        .collect();
    assert_eq!(
        order,
        [
            "RunnerStarted",
            "RunnerFailed",
            "RunnerStarted",
            "RunnerCompleted"
        ]
    );
    assert!(!scene.queue.path("went-on").exists());
}

/// A task that somebody cancels is ended where it runs; where it has not begun, it never does.
#[test]
fn cancelled_jobs_end_or_never_begin() {
    let scene = Scene::new(&sh("a", WAITS, ""));
    let run = scene.queue.run("").spawn();
    let pid: u32 = scene.queue.until_there("pid-a").parse().expect("a pid");
    scene.queue.ask("cancel a").run().ok();
    run.finish().code(1);
    assert!(!alive(pid));
    assert_eq!(scene.ends("a"), ["cancelled 143"]);

    let scene = Scene::new(&sh("a", "touch $DIR/ran", ""));
    scene.is("held");
    scene.is("deaf");
    let run = scene.queue.run("").spawn();
    scene.queue.until("RunnerStarted", 1);
    scene.jobs_are(1);
    scene.queue.ask("cancel a").run().ok();
    run.finish().code(1);
    assert_eq!(scene.ends("a"), ["cancelled"]);
    assert!(!scene.queue.path("ran").exists());
}

/// Whoever is killed, the job goes on, and the next dispatcher takes it up.
#[test]
fn a_job_outlives_its_dispatcher_and_its_keeper() {
    for (with_keeper, forgets) in [(false, false), (true, false), (true, true)] {
        let script = format!("echo x >> $DIR/times; {WAITS}; echo said");
        let scene = Scene::new(&sh("a", &script, "retries = 0"));
        let scene = scene.settings("find = [\"ENGINE\", \"find\", \"{name}\"]\n");
        let run = scene.queue.run("").spawn();
        let pid: u32 = scene.queue.until_there("pid-a").parse().expect("a pid");
        scene.queue.until("RunnerStarted", 1);
        run.signal(Signal::KILL);
        drop(run);
        if with_keeper {
            scene.kill_keeper("a");
        }
        if forgets {
            // As if it had been killed before it could write it down.
            std::fs::write(scene.queue.attempt("a", 1).join("job.json"), "{}").expect("forgotten");
        }
        assert!(alive(pid), "the job goes on");
        let again = scene.queue.run("").spawn();
        scene.queue.until("RunnerAdopted", 1);
        scene.queue.open("go");
        again.finish().ok();
        assert_eq!(scene.ends("a"), ["done 0"]);
        assert_eq!(scene.queue.log("a", 1), "said\n");
        let times = std::fs::read_to_string(scene.queue.path("times")).expect("it ran");
        assert_eq!(times, "x\n");
    }
}

/// 8: the slot of a job that waits in the engine is nobody else's, though every process of this machine
/// that knew of it is gone; it comes back with the job's end.
#[test]
fn a_jobs_slot_outlives_its_dispatcher_and_its_keeper() {
    let scene = Scene::with_slots(1, &sh("a", "echo said", "repo = \"p\"\nretries = 0"));
    scene.is("held");
    let run = scene.queue.run("").spawn();
    scene.queue.until("RunnerStarted", 1);
    scene.jobs_are(1);
    run.signal(Signal::KILL);
    drop(run);
    scene.kill_keeper("a");
    let world = &scene.queue.world;
    world.pool("allocate p").code(4).silent();
    world.pool("recover").ok();
    world.pool("allocate p").code(4).silent();
    let again = scene.queue.run("").spawn();
    scene.queue.until("RunnerAdopted", 1);
    scene.is_no_more("held");
    again.finish().ok();
    assert_eq!(scene.ends("a"), ["done 0"]);
    assert_eq!(scene.queue.log("a", 1), "said\n");
    scene.queue.all_slots_are_free();
}

/// An engine that does not answer is asked again, and that is told; one that has lost a job has lost it.
#[test]
fn an_engine_may_be_away_for_a_while_and_lose_jobs() {
    let scene = Scene::new(&sh("a", WAITS, "retries = 0"));
    let run = scene.queue.run("").spawn();
    scene.queue.until_there("pid-a");
    scene.is("away");
    until("it is told", || {
        let trouble = std::fs::read_to_string(scene.queue.attempt("a", 1).join("trouble"));
        trouble
            .ok()
            .filter(|text| text.contains("poll: cannot connect"))
    });
    scene.is_no_more("away");
    scene.queue.open("go");
    run.finish().ok();
    assert_eq!(scene.ends("a"), ["done 0"]);

    let scene = Scene::new(&sh("a", WAITS, "retries = 0"));
    let run = scene.queue.run("").spawn();
    let pid: u32 = scene.queue.until_there("pid-a").parse().expect("a pid");
    scene.loses_all();
    run.finish().code(1);
    assert_eq!(scene.queue.all("RunnerLost").len(), 1);
    kill(pid, Signal::KILL);
}

/// 5: a job that can't be submitted is tried again or reported, and never runs twice.
#[test]
fn submitting_may_fail_hang_or_make_no_sense() {
    for (how, ends) in [
        ("full", vec!["try_later", "done 0"]),
        ("broken", vec!["infra", "done 0"]),
        ("babbling", vec!["infra", "done 0"]),
        // It was submitted all the same: it does nothing when its turn comes.
        ("hanging", vec!["infra", "done 0"]),
        // It has begun already: it is waited for.
        ("slow", vec!["done 0"]),
    ] {
        let scene = Scene::new(&sh("a", "echo x >> $DIR/times", "retries = 5"));
        let scene = scene.settings("[dispatch]\ncooldown = \"10ms\"\nretry_backoff_base = 1\n");
        scene.is(how);
        match how {
            "hanging" => scene.gives_up_after("2s"),
            // What it waits for has to have happened by then.
            "slow" => scene.gives_up_after("10s"),
            _ => {}
        }
        scene.queue.run("").run().ok();
        let mut classes: Vec<String> = scene.ends("a");
        // On a busy machine another answer may be too late as well.
        classes.dedup();
        assert_eq!(classes, ends, "{how}");
        let times = std::fs::read_to_string(scene.queue.path("times")).expect("it ran");
        assert_eq!(times, "x\n", "{how}");
    }
}
