//! A disk that is really full.

use super::{WAIT, task};
use crate::support::{Call, Queue, Running, is_root, until};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// A small disk that only a run and this test see; the run's directory is on it.
struct Disk(File);

impl Disk {
    /// Begins it, and waits until so many runners run; none where nobody may mount anything, which is
    /// not a matter of the program.
    fn of_a_run(queue: &Queue, runners: usize) -> Option<(Running, Self)> {
        let runs = queue.world.workspace().join(".repo-pool/dispatch");
        fs::create_dir_all(&runs).expect("a directory");
        let own_user: &[&str] = if is_root() { &["-m"] } else { &["-r", "-m"] };
        let unshare = |script: &str| {
            let mut unshare = queue.world.command("unshare");
            unshare.args(own_user);
            unshare.args(["--", "sh", "-c", script, "sh"]).arg(&runs);
            unshare
        };
        let mount = "mount -t tmpfs -o size=256k,mode=700 none \"$1\"";
        let probe = unshare(mount).output();
        probe.ok().filter(|out| out.status.success())?;
        let mut command = unshare(&format!("{mount} && exec \"$2\" dispatch run \"$3\""));
        command.arg(env!("CARGO_BIN_EXE_repo-pool"));
        command.arg(queue.path("tasks.toml"));
        let run = Call::new(command).spawn();
        let seen = format!("/proc/{}/root{}", run.pid(), runs.display());
        let disk = until("it has begun", || {
            let mut all = fs::read_dir(&seen).ok()?;
            all.next()?
                .ok()?
                .path()
                .join("events.jsonl")
                .exists()
                .then(|| File::open(&seen))
        });
        let disk = Self(disk.expect("its disk"));
        // Whatever is written in place of an older file would make room.
        let count = format!("}} {runners}");
        until("they run, and the figures tell of it", || {
            let figures = disk.read("metrics.prom")?;
            let mut lines = figures.lines();
            let line = lines.find(|line| line.contains("_wait_seconds_count{"))?;
            line.ends_with(&count).then_some(())
        });
        Some((run, disk))
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// A file of the run.
    fn read(&self, name: &str) -> Option<String> {
        let mut all = fs::read_dir(self.path()).expect("the disk").flatten();
        all.find_map(|run| fs::read_to_string(run.path().join(name)).ok())
    }

    fn events(&self) -> Vec<Value> {
        let text = self.read("events.jsonl").expect("events");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("an event"))
            .collect()
    }

    fn times(&self, kind: &str) -> usize {
        let events = self.events().into_iter();
        events.filter(|event| event["event"] == kind).count()
    }

    fn fill(&self) {
        let mut file = File::create(self.path().join("filler")).expect("a file");
        while file.write_all(&[0; 64]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).expect("removing");
    }
}

/// 10: while the disk is full, the queue says so, starts nothing new, and loses nothing: an end that
/// came meanwhile counts, whole and once, as soon as there is room again.
#[test]
fn a_full_disk_is_waited_for() {
    let queue = Queue::new("").settings("");
    // What is told of it does not fit into what its file has of the disk already.
    let long = "a".repeat(5000);
    let waits = "until [ -e \"$PLACE/go\" ] || [ ! -d \"$PLACE\" ]; do sleep 0.02; done";
    let script = format!("{waits}; echo x >> \"$PLACE/times\"");
    let tasks = [
        task(&queue, &long, &script, ""),
        task(&queue, "b", "true", &format!("depends = [{long:?}]")),
    ];
    queue.write(&tasks.concat());
    let Some((run, disk)) = Disk::of_a_run(&queue, 1) else {
        return;
    };
    disk.fill();
    let before = disk.events();
    queue.open("go");
    run.says("nothing new is started", 1);
    assert!(queue.path("times").exists());
    assert_eq!(disk.events(), before, "nothing is written by halves");
    disk.make_room();
    run.finish()
        .ok()
        .says("is the disk full?")
        .says("can be written again");
    assert_eq!(disk.times("RunnerCompleted"), 2);
    let numbers: Vec<_> = disk
        .events()
        .iter()
        .map(|event| event["n"].as_u64())
        .collect();
    let expected: Vec<_> = (1..=numbers.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected);
    let times = fs::read_to_string(queue.path("times")).expect("it ran");
    assert_eq!(times, "x\n");
}

/// What can't be begun because the disk is full has not failed: no attempt is counted, and it is begun
/// once there is room.
#[test]
fn nobody_fails_because_the_disk_is_full() {
    let queue = Queue::new("").settings(
        "[dispatch]\ncooldown = \"200ms\"\n\
         [agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 1\n",
    );
    let tasks = ["a", "b"].map(|id| {
        let script = if id == "a" { WAIT } else { "true" };
        task(&queue, id, script, "retries = 0")
    });
    queue.write(&tasks.concat());
    let Some((run, disk)) = Disk::of_a_run(&queue, 1) else {
        return;
    };
    disk.fill();
    super::open(&queue, &["a"]);
    run.says("attempt 1: try later", 1);
    disk.make_room();
    run.finish().ok();
    let events = disk.events().into_iter();
    let failed: Vec<Value> = events
        .filter(|event| event["event"] == "RunnerFailed")
        .collect();
    assert!(!failed.is_empty());
    for failed in failed {
        let reason = failed["reason"].as_str().unwrap_or_default();
        assert!(
            failed["task"] == "b" && failed["counted"] == false,
            "{failed}"
        );
        assert!(reason.contains("No space left on device"), "{failed}");
    }
}
