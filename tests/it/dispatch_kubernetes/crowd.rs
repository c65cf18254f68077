//! Many tasks at once, over one agent pool and over several.

use super::scene::{Scene, WAITS};
use crate::support::{Docker, until};
use serde_json::Value;
use std::collections::BTreeMap;

/// The agent pool `box` beside `local` and `k8s`: containers, or Jobs once more where there is no docker.
fn third() -> String {
    let jobs = "[agent_pools.box]\ntype = \"kubernetes\"\nimage = \"tests/none:1\"\n\
        transport = \"clone\"\nmax_concurrency = 4\nwatch_interval = \"200ms\"\n";
    let docker = Docker::of_all();
    docker.map_or_else(
        || jobs.to_owned(),
        |docker| docker.agent_pool("arguments = [\"--volume=$DIR:$DIR\"]"),
    )
}

/// The most attempts that ran at a time, by agent pool, and for all of them (`""`).
fn most_at_once(events: &[Value]) -> BTreeMap<String, usize> {
    let mut running: BTreeMap<String, String> = BTreeMap::new();
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        let runner = event["runner"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().expect("a kind") {
            "TaskAssigned" => {
                let pool = event["agent_pool"].as_str().expect("an agent pool");
                running.insert(runner, pool.to_owned());
            }
            "RunnerCompleted" | "RunnerFailed" | "RunnerLost" => drop(running.remove(&runner)),
            _ => continue,
        }
        let mut now: BTreeMap<String, usize> = BTreeMap::from([(String::new(), running.len())]);
        for pool in running.values() {
            *now.entry(pool.clone()).or_default() += 1;
        }
        for (pool, count) in now {
            let most = most.entry(pool).or_default();
            *most = count.max(*most);
        }
    }
    most
}

/// 12: quotas hold for Jobs as for anything else.
#[test]
fn quotas_hold_for_jobs() {
    let Some(scene) = Scene::new(3, "hostPath", "cpu_quota = 2") else {
        return;
    };
    let task = |id| scene.task(id, WAITS, "cpu = 1");
    scene.tasks(&["a", "b", "c"].map(task));
    let run = scene.queue.run("").spawn();
    scene.cluster.until_running(2);
    until("the third one says why it waits", || {
        let why = scene.queue.ask("why c").run();
        why.stdout.contains("k8s").then_some(())
    });
    assert_eq!(scene.queue.all("TaskAssigned").len(), 2);
    scene.queue.open("go");
    run.finish().ok();
    assert_eq!(most_at_once(&scene.queue.events())["k8s"], 2);
    scene.nothing_is_left();
}

/// 2, 6: fifty tasks over three agent pools of different kinds: each is done once, no maximum is exceeded,
/// and all three have had their share.
#[test]
fn fifty_tasks_run_over_three_agent_pools() {
    let local = "[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 4\n";
    let more = format!("{local}{}", third());
    let Some(scene) = Scene::new(8, "hostPath", &more) else {
        return;
    };
    let script = "echo $REPO_POOL_TASK_ID >> $DIR/done";
    let ids: Vec<String> = (1..=50).map(|n| n.to_string()).collect();
    let tasks: Vec<String> = ids.iter().map(|id| scene.task(id, script, "")).collect();
    scene.tasks(&tasks);
    scene.queue.run("--max 10").run().ok();
    let done = scene.queue.completed();
    assert!(
        done.len() == 50 && done.values().all(|times| *times == 1),
        "{done:?}"
    );
    let text = std::fs::read_to_string(scene.queue.path("done")).expect("what was done");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.parse::<u32>().expect("a number"));
    assert_eq!(lines, ids);
    let most = most_at_once(&scene.queue.events());
    let limits = [("", 10), ("k8s", 4), ("local", 4), ("box", 4)];
    for (pool, limit) in limits {
        assert!((1..=limit).contains(&most[pool]), "{pool}: {most:?}");
    }
    scene.nothing_is_left();
}

/// So many are not followed all at once: the others' output comes as well, and ends who is silent.
#[test]
fn the_output_of_many_comes_while_they_run() {
    let many = "[agent_pools.many]\ntype = \"kubernetes\"\nimage = \"tests/none:1\"\n\
        transport = \"hostPath\"\nmax_concurrency = 20\nwatch_interval = \"200ms\"\n";
    let Some(scene) = Scene::new(1, "hostPath", many) else {
        return;
    };
    let task = |id: &str, script: &str, more: &str| {
        let task = scene.task(id, &format!("echo begun; {script}"), more);
        task.replace("repo = \"p\"\n", "")
    };
    let ids: Vec<String> = (1..=17).map(|n| n.to_string()).collect();
    let mut tasks: Vec<String> = ids.iter().map(|id| task(id, WAITS, "")).collect();
    let silent = "retries = 0\nstall = \"1s\"\ndepends = [\"first\"]";
    tasks.push(task(
        "first",
        "until [ -e $DIR/first ]; do sleep 0.02; done",
        "",
    ));
    tasks.push(task("silent", WAITS, silent));
    scene.tasks(&tasks);
    let run = scene.queue.run("--max 20").spawn();
    scene.cluster.until_running(18);
    until("all output comes", || {
        let mut ids = ids.iter();
        let comes = ids.all(|id| scene.queue.log(id, 1) == "begun\n");
        comes.then_some(())
    });
    scene.queue.open("first");
    scene.until_ended("silent", 1, "stalled");
    // The cluster ends the others faster.
    run.signal(rustix::process::Signal::KILL);
}
