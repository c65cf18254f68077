//! Whole runs of the dispatcher, beside others that run a queue of commands.

use super::super::report::Line;
use super::super::repository::Remote;
use super::crowd::TINY;
use super::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const NO_OPS: &str = "dispatch: no-op tasks";
const ONE_OF_MANY: &str = "dispatch: one no-op task";
const SLOTS: &str = "dispatch: no-op tasks with slots";
const NEXT: &str = "dispatch: done to next start, p99";
const IDLE: &str = "dispatch: idle, processor time";
const CHECK: &str = "dispatch: check of a file";

/// A workspace with files of tasks.
struct Queue<'a> {
    stage: &'a Stage<'a>,
    workspace: PathBuf,
    runners: usize,
}

/// Runs of many tasks that do nothing, with and without slots; what comes between two tasks; and what a
/// run costs in which nothing happens.
pub fn of_queues(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    let queue = Queue {
        stage,
        workspace: stage.path("queue"),
        runners: std::thread::available_parallelism()?.get(),
    };
    if stage.options.wants(&[NO_OPS, ONE_OF_MANY]) {
        queue.no_ops(report)?;
    }
    if stage.options.wants(&[SLOTS]) {
        queue.slots(report)?;
    }
    if stage.options.wants(&[NEXT]) {
        queue.next(report)?;
    }
    if stage.options.wants(&[IDLE]) {
        queue.idle(report)?;
    }
    if stage.options.wants(&[CHECK]) {
        queue.check(report)?;
    }
    Ok(())
}

impl Queue<'_> {
    fn no_ops(&self, report: &mut Report<'_>) -> Result<()> {
        let options = self.stage.options;
        let (parallel, spooler) = (self.has("parallel", "GNU"), self.has("tsp", "Spooler"));
        let mut per_task: Option<(u32, Samples)> = None;
        for count in [100, 1_000, 10_000] {
            let count = options.count(count, count / 100 + 4);
            let file = self.file(count, |n| json!({"id": n.to_string(), "command": ["true"]}))?;
            let [mut ours, mut theirs, mut spooled] = [(); 3].map(|()| Samples::times());
            for _ in 0..options.few(Size::Small) {
                ours.push(self.run(&file)?);
                if parallel {
                    theirs.push(self.parallel(count)?);
                }
                if spooler {
                    spooled.push(self.spooled(count)?);
                }
            }
            let name = format!("{NO_OPS} ({count})");
            let rate = Line::new(&name, ours.rate_of(count));
            report.add(rate.goal(Goal::Least(300.0)));
            match parallel {
                true => report.add(
                    Line::new(&name, ours.clone())
                        .against("GNU parallel", theirs)
                        .goal(Goal::Faster(3.0)),
                ),
                false => report.not_there(None, &name, "no GNU parallel"),
            }
            match spooler {
                true => report.add(Line::new(&name, ours.clone()).against("tsp", spooled)),
                false => report.not_there(None, &name, "no tsp"),
            }
            let each = ours.times_over(1.0 / f64::from(count));
            match per_task.take() {
                None => per_task = Some((count, each)),
                Some((first, least)) => {
                    let line = Line::new(format!("{ONE_OF_MANY} of {count}"), each);
                    let line = line.against(format!("one of {first}"), least.clone());
                    report.add(line.goal(Goal::Ratio(1.1)));
                    per_task = Some((first, least));
                }
            }
        }
        Ok(())
    }

    /// Beside the same commands by `exec`, which allocates and releases likewise.
    fn slots(&self, report: &mut Report<'_>) -> Result<()> {
        let count = self.stage.options.count(100, 4);
        let remote = Remote::made_up(self.stage, TINY)?;
        let create = format!("create p {} -n {}", remote.url(), self.runners);
        timed(&mut self.stage.pool(&self.workspace, &create))?;
        let file = self.file(
            count,
            |n| json!({"id": n.to_string(), "repo": "p", "command": ["true"]}),
        )?;
        let exec = format!(
            "seq {count} | xargs -P {} -I {{}} {} --quiet --workspace {} exec p --wait 5m -- true",
            self.runners,
            self.stage.options.binary.display(),
            self.workspace.display(),
        );
        let (mut ours, mut execs) = (Samples::times(), Samples::times());
        for _ in 0..self.stage.options.few(Size::Small) {
            ours.push(self.run(&file)?);
            execs.push(timed(self.stage.command("sh").args(["-c", &exec]))?.took);
        }
        let line = Line::new(format!("{SLOTS} ({count})"), ours);
        report.add(
            line.against("the same by exec", execs)
                .goal(Goal::Ratio(1.1)),
        );
        Ok(())
    }

    /// By the times in the events of a chain of tasks.
    fn next(&self, report: &mut Report<'_>) -> Result<()> {
        let count = self.stage.options.count(500, 10);
        let file = self.file(count, |n| {
            let before: Vec<String> = n
                .checked_sub(1)
                .map(|n| n.to_string())
                .into_iter()
                .collect();
            json!({"id": n.to_string(), "command": ["true"], "depends": before})
        })?;
        timed(&mut self.dispatch(&file))?;
        let mut gaps = Vec::new();
        let mut done: Option<jiff::Timestamp> = None;
        for event in self.events()? {
            let time = || event["time"].as_str().unwrap_or_default().parse();
            match event["event"].as_str() {
                Some("RunnerCompleted") => done = Some(time()?),
                Some("RunnerStarted") => {
                    let gap = done.take().map(|done| time().map(|now| now - done));
                    let gap = gap
                        .transpose()?
                        .map(|gap| gap.total(jiff::Unit::Millisecond));
                    gaps.extend(gap.transpose()?);
                }
                _ => {}
            }
        }
        self.clear()?;
        if gaps.len() + 1 != count as usize {
            return Err(format!("{} of {count} tasks followed another", gaps.len()).into());
        }
        gaps.sort_by(f64::total_cmp);
        let p99 = gaps[(gaps.len() - 1) * 99 / 100];
        let line = Line::new(
            format!("{NEXT} of {count}"),
            Samples::of(Unit::Time, vec![p99]),
        );
        report.add(line.goal(Goal::Most(10.0)));
        Ok(())
    }

    /// One task that waits, and the dispatcher with it.
    fn idle(&self, report: &mut Report<'_>) -> Result<()> {
        let time = Duration::from_secs(self.stage.options.count(20, 1).into());
        let file = self.file(1, |_| {
            json!({"id": "a", "command": ["sh", "-c",
            "echo > begun; until [ -e ended ]; do sleep 0.1; done"]})
        })?;
        let mut running = self.dispatch(&file).spawn()?;
        stage::wait_until("the task runs", || Ok(self.stage.path("begun").exists()))?;
        let before = processor_time(running.id())?;
        std::thread::sleep(time);
        let used = processor_time(running.id())? - before;
        std::fs::write(self.stage.path("ended"), "")?;
        if !running.wait()?.success() {
            return Err("the idle run failed".into());
        }
        self.clear()?;
        let mut samples = Samples::times();
        samples.push(used);
        let line = Line::new(format!("{IDLE} in {} s", time.as_secs()), samples);
        report.add(line.goal(Goal::Most(time.as_secs_f64())));
        Ok(())
    }

    fn check(&self, report: &mut Report<'_>) -> Result<()> {
        let count = self.stage.options.count(100_000, 1_000);
        let file = self.file(count, |n| {
            let before: Vec<String> = n
                .checked_sub(1)
                .filter(|_| n % 10 > 0)
                .map(|n| n.to_string())
                .into_iter()
                .collect();
            json!({"id": n.to_string(), "title": "One of very many", "command": ["true"], "depends": before})
        })?;
        let mut ours = Samples::times();
        for _ in 0..self.stage.options.rounds(Size::Large) {
            let words = format!("dispatch check {}", file.display());
            ours.push(timed(&mut self.stage.pool(&self.workspace, &words))?.took);
        }
        let line = Line::new(format!("{CHECK} ({count})"), ours);
        report.add(line.goal(Goal::Most(500.0)));
        Ok(())
    }

    /// A file of so many tasks.
    fn file(&self, count: u32, task: impl Fn(u32) -> Value) -> Result<PathBuf> {
        let path = self.stage.path("tasks.json");
        let tasks: Vec<Value> = (0..count).map(task).collect();
        std::fs::write(&path, json!({ "task": tasks }).to_string())?;
        Ok(path)
    }

    fn dispatch(&self, file: &Path) -> Command {
        let words = format!("dispatch run --max {} {}", self.runners, file.display());
        self.stage.pool(&self.workspace, &words)
    }

    /// Runs the file from its beginning, and forgets the run.
    fn run(&self, file: &Path) -> Result<Duration> {
        let took = timed(&mut self.dispatch(file))?.took;
        self.clear()?;
        Ok(took)
    }

    fn runs(&self) -> PathBuf {
        self.workspace.join(".repo-pool/dispatch")
    }

    /// Out of the way, and not deleted: a file system may go through what was deleted in the last
    /// minutes whenever a file is made, and nobody deletes thousands of files before each run.
    fn clear(&self) -> Result<()> {
        let over = self.stage.path("over");
        std::fs::create_dir_all(&over)?;
        let number = std::fs::read_dir(&over)?.count();
        Ok(std::fs::rename(self.runs(), over.join(number.to_string()))?)
    }

    fn events(&self) -> Result<Vec<Value>> {
        let run = std::fs::read_dir(self.runs())?.next().ok_or("no run")??;
        let text = std::fs::read_to_string(run.path().join("events.jsonl"))?;
        let events = text.lines().map(serde_json::from_str);
        Ok(events.collect::<std::result::Result<_, _>>()?)
    }

    fn parallel(&self, count: u32) -> Result<Duration> {
        let line = format!(
            "seq {count} | parallel --will-cite -j {} true",
            self.runners
        );
        Ok(timed(self.stage.command("sh").args(["-c", &line]))?.took)
    }

    /// Through a server of its own, which ends with it.
    fn spooled(&self, count: u32) -> Result<Duration> {
        let script = format!(
            "tsp -S {}; i=0; while [ $i -lt {count} ]; do tsp -n true; i=$((i+1)); done >/dev/null; \
             tsp -w",
            self.runners
        );
        let socket = self.stage.path("tsp");
        let tsp = |program: &str| {
            let mut command = self.stage.command(program);
            command
                .env("TS_SOCKET", &socket)
                .env("TS_MAXFINISHED", "10");
            command
        };
        let start = Instant::now();
        let ran = timed(tsp("sh").args(["-c", &script]));
        let took = start.elapsed();
        timed(tsp("tsp").arg("-K"))?;
        ran.map(|_| took)
    }

    /// Whether there is a program that calls itself so.
    fn has(&self, program: &str, word: &str) -> bool {
        let version = match program {
            "tsp" => "-V",
            _ => "--version",
        };
        let said = self.stage.command(program).arg(version).output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(word))
    }
}

/// What all threads of a process have had of the processors.
fn processor_time(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().unwrap_or_default();
        sum += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
