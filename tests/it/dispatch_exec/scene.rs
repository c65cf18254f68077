//! A small engine: a directory per job, which runs as a process of its own session with nothing of its
//! submitter's environment.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{Queue, kill, program, until};
use rustix::process::Signal;
use serde_json::json;

/// Says who it is and waits; `$DIR` is the directory of the tasks' file.
pub const WAITS: &str = "echo $$ > $DIR/pid-new; mv $DIR/pid-new $DIR/pid-$REPO_POOL_TASK_ID; \
                         until [ -e $DIR/go ]; do sleep 0.02; done";

/// `engine VERB …`. A file beside its jobs makes it misbehave; what misbehaves once takes it away.
const ENGINE: &str = r#"#!/bin/sh
here=${0%/*}/engine.d
once() { [ -e "$here/$1" ] && rm "$here/$1"; }
start() {
    mkdir "$here/jobs/$1" && echo PENDING >"$here/jobs/$1/state" || exit 1
    cd / && env -i PATH="$PATH" HOME="$HOME" setsid sh -c '
        cd "$1" || exit 1
        while [ -e ../../held ] || [ -e ../../late ]; do sleep 0.02; done
        echo RUNNING >state
        "$2" & echo $! >pid
        wait $!
        case $? in 0) word=COMPLETED ;; *) word=FAILED ;; esac
        echo $word >state.new && mv state.new state
    ' sh "$here/jobs/$1" "$2" </dev/null >"$here/out" 2>&1 &
}
case $1 in
submit)
    if once full; then echo "no room" >&2; exit 75; fi
    if once broken; then echo "out of order" >&2; exit 1; fi
    if once babbling; then echo "hello world"; exit 0; fi
    if once hanging; then touch "$here/late"; start "$2" "$3"; exec sleep 600; fi
    rm -f "$here/late"
    start "$2" "$3"
    if once slow; then until [ -e "$here/jobs/$2/pid" ]; do sleep 0.02; done; exec sleep 600; fi
    echo "submitted as $2" ;;
find) ls "$here/jobs" | grep -x "$2"; true ;;
launch)
    job=$here/jobs/$2
    shift 2
    mkdir "$job" && echo RUNNING >"$job/state" && : >"$job/out" || exit 1
    cd / && env -i PATH="$PATH" setsid sh -c '
        job=$1
        shift
        "$@" >"$job/out" 2>&1
        echo "COMPLETED with code $?" >"$job/state.new" && mv "$job/state.new" "$job/state"
    ' sh "$job" "$@" </dev/null >/dev/null 2>&1 & ;;
*)
    if [ -e "$here/away" ]; then echo "cannot connect" >&2; exit 1; fi
    if [ ! -d "$here/jobs/$2" ]; then echo "no such job" >&2; exit 1; fi
    case $1 in
    poll) cat "$here/jobs/$2/state" ;;
    log) cat "$here/jobs/$2/out" ;;
    cancel)
        [ -e "$here/deaf" ] && exit 1
        echo cancelled >>"$here/cancelled"; kill -TERM "$(cat "$here/jobs/$2/pid")" ;;
    esac ;;
esac
"#;

/// A task whose `$DIR` is the directory of the tasks' file.
pub fn sh(id: &str, script: &str, more: &str) -> String {
    task(id, &["sh", "-c", &format!("DIR=$(pwd); {script}")], more)
}

/// A task.
pub fn task(id: &str, command: &[&str], more: &str) -> String {
    format!(
        "[[task]]\nid = {id:?}\ncommand = {}\n{more}\n",
        json!(command)
    )
}

/// A queue with an agent pool of the small engine.
pub struct Scene {
    pub queue: Queue,
}

impl Scene {
    /// With tasks that have no slots.
    pub fn new(tasks: &str) -> Self {
        Self::of(Queue::new(tasks))
    }

    /// With so many slots in pool `p`.
    pub fn with_slots(slots: u32, tasks: &str) -> Self {
        Self::of(Queue::with_slots(slots, tasks))
    }

    /// The same with an engine that runs the commands themselves, and alone knows what they print and how
    /// they end.
    pub fn of_commands(tasks: &str) -> Self {
        Self::with_engine(Queue::new(tasks)).settings(
            "[agent_pools.engine]\n\
             type = \"exec\"\n\
             submit = [\"ENGINE\", \"launch\", \"{name}\", \"{command}\"]\n\
             poll = [\"ENGINE\", \"poll\", \"{name}\"]\n\
             cancel = [\"ENGINE\", \"cancel\", \"{name}\"]\n\
             log = [\"ENGINE\", \"log\", \"{name}\"]\n\
             exit_code_after = \"code\"\n\
             poll_every = \"100ms\"\n",
        )
    }

    fn with_engine(queue: Queue) -> Self {
        std::fs::create_dir_all(queue.path("engine.d/jobs")).expect("a directory");
        program(&queue.path("engine"), ENGINE);
        Self { queue }
    }

    fn of(queue: Queue) -> Self {
        Self::with_engine(queue).settings(
            "[agent_pools.engine]\n\
             type = \"exec\"\n\
             submit = [\"ENGINE\", \"submit\", \"{name}\", \"{script}\"]\n\
             poll = [\"ENGINE\", \"poll\", \"{job}\"]\n\
             cancel = [\"ENGINE\", \"cancel\", \"{job}\"]\n\
             gone = [\"no such job\"]\n\
             poll_every = \"100ms\"\n\
             command_timeout = \"30s\"\n\
             exit_wait = \"1s\"\n",
        )
    }

    /// More of them; `ENGINE` stands for the engine's program.
    pub fn settings(self, text: &str) -> Self {
        let engine = self.queue.path("engine").display().to_string();
        let queue = self.queue.settings(&text.replace("ENGINE", &engine));
        Self { queue }
    }

    /// The engine's commands may take so long, and no longer.
    pub fn gives_up_after(&self, time: &str) {
        let file = self.queue.world.workspace().join("pools.toml");
        let text = std::fs::read_to_string(&file).expect("the settings");
        let limit = |time: &str| format!("command_timeout = {time:?}");
        assert!(text.contains(&limit("30s")));
        std::fs::write(file, text.replace(&limit("30s"), &limit(time))).expect("writing");
    }

    fn engine(&self, name: &str) -> PathBuf {
        self.queue.path("engine.d").join(name)
    }

    /// The engine is like that.
    pub fn is(&self, how: &str) {
        std::fs::write(self.engine(how), "").expect("a file");
    }

    /// And is no more.
    pub fn is_no_more(&self, how: &str) {
        std::fs::remove_file(self.engine(how)).expect("a file");
    }

    /// The states of all jobs.
    pub fn state_of_all(&self) -> Vec<String> {
        let jobs = std::fs::read_dir(self.engine("jobs")).expect("jobs");
        let states =
            jobs.map(|job| std::fs::read_to_string(job.expect("a job").path().join("state")));
        states
            .flatten()
            .map(|state| state.trim().to_owned())
            .collect()
    }

    /// The engine has so many jobs.
    pub fn jobs_are(&self, count: usize) {
        until("the engine has the job", || {
            (self.state_of_all().len() == count).then_some(())
        });
    }

    /// Its one job has been in the engine's queue for longer than that.
    pub fn has_waited_for(&self, time: Duration) {
        self.jobs_are(1);
        let since = Instant::now();
        until("it has waited", || (since.elapsed() > time).then_some(()));
        assert_eq!(self.state_of_all(), ["PENDING"]);
    }

    /// The engine forgets all of them.
    pub fn loses_all(&self) {
        std::fs::rename(self.engine("jobs"), self.engine("lost")).expect("lost");
        std::fs::create_dir(self.engine("jobs")).expect("jobs");
    }

    /// Kills the keeper of the first attempt of a task, and what drives its job.
    pub fn kill_keeper(&self, task: &str) {
        let lock = self.queue.attempt(task, 1).join("shim.lock");
        let text = std::fs::read_to_string(lock).expect("who keeps it");
        let holder: serde_json::Value = serde_json::from_str(&text).expect("a holder");
        let pid = holder["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok())
            .expect("a pid");
        kill(pid, Signal::KILL);
    }

    /// How the attempts of a task ended: class and exit code.
    pub fn ends(&self, task: &str) -> Vec<String> {
        let events = self.queue.events().into_iter();
        let ends = events.filter(|event| event["task"] == task && event["class"].is_string());
        ends.map(|event| {
            let class = event["class"].as_str().expect("a class").to_owned();
            match event["exit_code"].as_i64() {
                Some(code) => format!("{class} {code}"),
                None => class,
            }
        })
        .collect()
    }
}

/// Makes a commit that says so.
pub fn work_in_slot(text: &str) -> String {
    format!("echo {text} > new && git add new && git commit -qm {text}")
}
