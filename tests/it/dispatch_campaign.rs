//! Tasks with dependencies, while their dispatcher is killed at random moments, again and again.
//!
//! 40 tasks and 10 kills, or as many tasks as `REPO_POOL_TEST_DISPATCH` says and a quarter as many
//! kills. The choices depend on the printed seed alone (`REPO_POOL_TEST_SEED`); the moments also on
//! the machine.

mod model;

use crate::support::{Invariants, Queue, Random, World, alive, await_quiet, say, until};
use model::Model;
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How many tasks there are unless the environment says otherwise.
const TASKS: u64 = 40;

/// So many tasks to a kill.
const PER_KILL: u64 = 4;

const SETTINGS: &str = "[dispatch]\npoll_interval = \"100ms\"\ncooldown = \"100ms\"\n\
    retry_backoff_base = 1\n[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 5\n";

/// What a task does. Whoever finds that another attempt of its task lives, or anybody in its slot,
/// says so in `wrong`: what lives holds a lock of both, and so does all that it has started.
const SCRIPT: &str = r#"
here=$1 id=$REPO_POOL_TASK_ID
alone() { flock -n 8 || echo "$id a$REPO_POOL_ATTEMPT: $1 is in use" >> "$here/wrong"; }
exec 8>> "$here/locks/task-$id"
alone "task $id"
case ${REPO_POOL_SLOT_PATH:-} in
    '') ;;
    *) exec 9>&8 8>> "$here/locks/${REPO_POOL_SLOT_PATH##*/}"; alone "$REPO_POOL_SLOT_PATH" ;;
esac
leave() {
    left=$here/left/$id-$REPO_POOL_ATTEMPT
    setsid sh -c 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 900' "$left" > /dev/null 2>&1 &
    until [ -e "$left" ]; do sleep 0.01; done
}
work() {
    echo "$id $REPO_POOL_ATTEMPT" > "$id.txt" && git add "$id.txt" && git commit -qm "$id" || exit 1
}
case $2 in
    nothing) ;;
    commits) work ;;
    leaves) leave ;;
    changes) echo "$id" > left-behind.txt ;;
    fails-first) work; leave; [ "$REPO_POOL_ATTEMPT" -gt 1 ] || exit 1 ;;
    later) [ "$REPO_POOL_ATTEMPT" -gt 1 ] || exit 75 ;;
    fails) exit 78 ;;
esac
"#;

/// One run of tasks.
struct Campaign {
    queue: Queue,
    model: Model,
    /// What each task does.
    kinds: BTreeMap<String, &'static str>,
    random: Random,
}

/// No task is accepted twice, none is lost, no slot leaks, nothing that was started lives on, and what
/// is shown is what was recorded.
#[test]
fn a_killed_dispatcher_is_resumed_to_one_end_of_each_task() {
    let asked = std::env::var("REPO_POOL_TEST_DISPATCH").ok();
    let tasks = asked.and_then(|text| text.parse().ok()).unwrap_or(TASKS);
    let mut campaign = Campaign::new(tasks);
    let mut kills = 0;
    let mut code = None;
    while kills < tasks / PER_KILL && code.is_none() {
        code = campaign.killed();
        kills += u64::from(code.is_none());
        campaign.is_shown_as_recorded();
    }
    let code = code.unwrap_or_else(|| campaign.queue.run("").run().code);
    campaign.is_over(code);
    say(&format!(
        "{tasks} tasks, {kills} kills, {} events",
        campaign.queue.events().len()
    ));
}

impl Campaign {
    fn new(tasks: u64) -> Self {
        let world = World::new();
        let remote = world.small_remote("remote");
        world.pool(format!("create p {} -n 3", remote.url())).ok();
        for dir in ["locks", "left"] {
            std::fs::create_dir(world.path(dir)).expect("a directory");
        }
        std::fs::write(world.path("task.sh"), SCRIPT).expect("a script");
        let mut random = Random::new();
        let mut text = String::new();
        let mut kinds = BTreeMap::new();
        let mut depends = Vec::new();
        for n in 0..tasks {
            let id = format!("t{n}");
            // Those that fail come late: what waits for them is never run.
            let (kind, slot) = kind(&mut random, n >= tasks * 3 / 4);
            let before: Vec<String> = (0..random.below(3).min(n))
                .map(|_| format!("t{}", n - 1 - random.below(n.min(8))))
                .collect();
            let place = world.path(".").display().to_string();
            let command = json!(["sh", format!("{place}/task.sh"), place, kind]);
            let repo = if slot { "repo = \"p\"\n" } else { "" };
            text += &format!(
                "[[task]]\nid = {id:?}\ncommand = {command}\ndepends = {}\nretries = 1\n{repo}",
                json!(before),
            );
            kinds.insert(id.clone(), kind);
            depends.push((id, before));
        }
        Self {
            queue: Queue::of(world, &text).settings(SETTINGS),
            model: Model::new(depends),
            kinds,
            random,
        }
    }

    /// Lets a dispatcher work and kills it; its exit code, if it came to the end of the run.
    fn killed(&mut self) -> Option<i32> {
        let before = self.lines();
        let run = self.queue.run("");
        let out = if cfg!(debug_assertions) && self.random.below(2) == 0 {
            // Before one of its effects on the system.
            let point = 1 + self.random.below(200);
            run.env("REPO_POOL_CRASH_AT", point.to_string()).run()
        } else {
            let events = self.random.below(30) as usize;
            let running = run.spawn();
            until("something has happened", || {
                let over = self.lines() >= before + events || !alive(running.pid());
                over.then_some(())
            });
            std::thread::sleep(self.random.up_to(Duration::from_millis(20)));
            running.signal(Signal::KILL);
            running.finish()
        };
        match out.code {
            137 => None,
            code => {
                out.one_of(&[0, 1]);
                Some(code)
            }
        }
    }

    fn lines(&self) -> usize {
        let bytes = self.events_file().and_then(|path| std::fs::read(path).ok());
        let lines = bytes.iter().flatten().filter(|byte| **byte == b'\n');
        lines.count()
    }

    /// The events, if the run has begun.
    fn events_file(&self) -> Option<PathBuf> {
        let runs = self.queue.world.workspace().join(".repo-pool/dispatch");
        let run = std::fs::read_dir(runs).ok()?.next()?.ok()?;
        Some(run.path().join("events.jsonl")).filter(|path| path.exists())
    }

    /// What `status` shows is what the events add up to, and a `recover` in between changes nothing
    /// of it.
    fn is_shown_as_recorded(&mut self) {
        if self.events_file().is_none() {
            return;
        }
        if self.random.below(4) == 0 {
            self.queue.world.pool("recover").one_of(&[0, 1]);
        }
        let shown = self.queue.ask("status --json").run().ok().json();
        let expected = self.model.after(&self.queue.events());
        for task in shown["run"]["tasks"].as_array().expect("tasks") {
            let id = task["id"].as_str().expect("an id");
            let stand = &expected[id];
            let state = task["state"].as_str().expect("a state");
            // Its time comes without an event.
            let due = (stand.state, state) == ("retrying", "ready");
            assert!(
                stand.state == state || due,
                "{id}: {stand:?}, shown: {task}"
            );
            assert_eq!(
                task["attempt"], stand.attempt,
                "{id}: {stand:?}, shown: {task}"
            );
        }
    }

    /// What must hold when the run has come to its end.
    fn is_over(&mut self, code: i32) {
        let queue = &self.queue;
        let wrong = std::fs::read_to_string(queue.path("wrong")).unwrap_or_default();
        assert_eq!(wrong, "");
        let stands = self.model.after(&queue.events());
        let expected = self.model.ends(|id| self.kinds[id] != "fails");
        for (id, stand) in &stands {
            assert_eq!(stand.state, expected[id], "{id}: {stand:?}");
            assert!(stand.slots.is_empty(), "{id}: {stand:?}");
        }
        let all_done = expected.values().all(|state| *state == "done");
        assert_eq!(code, i32::from(!all_done));
        let done = expected.iter().filter(|(_, state)| **state == "done");
        let once: BTreeMap<String, usize> = done.map(|(id, _)| (id.clone(), 1)).collect();
        assert_eq!(queue.completed(), once);
        self.is_shown_as_recorded();
        self.nothing_lives();
        self.commits_are_kept();
        let world = &self.queue.world;
        await_quiet(world);
        Invariants::of(world, "p")
            .recovered(world)
            .none_after("the run");
        self.queue.all_slots_are_free();
    }

    fn nothing_lives(&self) {
        for left in std::fs::read_dir(self.queue.path("left")).expect("what was left") {
            let path = left.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("a pid");
            let pid: u32 = text.trim().parse().expect("a pid");
            // Its number may be another's by now.
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let is_it = command.starts_with(b"sleep\0");
            assert!(!alive(pid) || !is_it, "{} lives: {pid}", path.display());
        }
    }

    /// What each task has committed is on the branch that was told, and is its own.
    fn commits_are_kept(&self) {
        let world = &self.queue.world;
        let bare = world.bare("p");
        let format = "--format=%(refname:short) %(objectname) %(subject)";
        let refs = world.git(&bare, ["for-each-ref", format, "refs/heads/rp/"]);
        for done in self.queue.all("RunnerCompleted") {
            let text = |key: &str| done[key].as_str().unwrap_or_default();
            let id = text("task");
            let commits = matches!(self.kinds[id], "commits" | "fails-first");
            assert_eq!(commits, done["commit"].is_string(), "{done}");
            if commits {
                let line = format!("{} {} {id}", text("branch"), text("commit"));
                assert!(refs.lines().any(|found| found == line), "{line} in {refs}");
            }
        }
    }
}

/// What a task does, and whether it has a slot for that.
fn kind(random: &mut Random, may_fail: bool) -> (&'static str, bool) {
    match random.below(20) {
        0..=3 => ("nothing", false),
        4..=5 => ("nothing", true),
        6..=9 => ("commits", true),
        10..=11 => ("leaves", false),
        12..=13 => ("leaves", true),
        14 => ("changes", true),
        15..=17 => ("fails-first", true),
        18 if may_fail => ("fails", false),
        _ => ("later", random.below(2) == 0),
    }
}
