//! 2, 6, 7, 12: who may run at the same time, and who is first.

use super::{WAIT, has_done_what_follows, open, place, task, time};
use crate::support::{Queue, until};

/// Two agent pools, with these lines for the first.
fn one_and_two(first: &str, second: &str) -> String {
    format!(
        "[agent_pools.one]\ntype = \"local-process\"\n{first}\n\
         [agent_pools.two]\ntype = \"local-process\"\n{second}\n"
    )
}

/// 12: what runs never asks for more than the quota together, whatever room there is otherwise; what
/// fits goes on; use is counted, and who waits says for what.
#[test]
fn quotas_are_kept() {
    let queue = Queue::new("").settings(
        "[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 9\n\
         cpu_quota = 2\nmemory_quota = \"1G\"\n",
    );
    queue.write(
        &[
            task(&queue, "a", WAIT, "cpu = 1.5"),
            task(&queue, "b", WAIT, "cpu = 1"),
            task(&queue, "c", WAIT, "cpu = 0.25\nmemory = \"600M\""),
            task(&queue, "d", WAIT, "cpu = 0.1\nmemory = \"600M\""),
        ]
        .concat(),
    );
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 2);
    has_done_what_follows(&queue, "a");
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "c"]);
    for (id, quota) in [("b", "CPU"), ("d", "memory")] {
        let why = queue.ask(&format!("why {id}")).run().ok().stdout.clone();
        assert!(why.contains(quota), "{id}: {why}");
    }
    let page = || std::fs::read_to_string(queue.dir().join("metrics.prom")).unwrap_or_default();
    let memory = 600_u64 << 20;
    let samples = [
        "agent_pool_utilization{RUN} 0.2222".to_owned(),
        "cpu_in_use{RUN} 1.75".to_owned(),
        format!("memory_in_use_bytes{{RUN}} {memory}"),
    ];
    until("use is counted", || {
        let name = queue.dir().file_name()?.to_string_lossy().into_owned();
        let labels = format!("run=\"{name}\",agent_pool=\"local\"");
        let page = page();
        let has = |sample: &String| page.contains(&sample.replace("RUN", &labels));
        samples.iter().all(has).then_some(())
    });
    open(&queue, &["a"]);
    queue.until("RunnerStarted", 3);
    open(&queue, &["c"]);
    queue.until("RunnerStarted", 4);
    open(&queue, &["b", "d"]);
    run.finish().ok();
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "c", "b", "d"]);
    assert!(
        page().contains("cpu_in_use") && !page().contains("} 1.75"),
        "{}",
        page()
    );
}

/// 12: what runs on from before may be more than the settings allow now: that is said, and nothing new
/// begins before it is less.
#[test]
fn an_excess_is_warned_of() {
    let pool = |max: u32, cpu: u32| {
        format!(
            "[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = {max}\n\
             cpu_quota = {cpu}\n"
        )
    };
    let queue = Queue::new("").settings(&pool(2, 4));
    let tasks = ["a", "b", "c"].map(|id| task(&queue, id, WAIT, "cpu = 2"));
    queue.write(&tasks.concat());
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 2);
    run.signal(rustix::process::Signal::KILL);
    run.finish();
    queue.world.declare(&pool(1, 2));
    let run = queue.run("").spawn();
    run.says(
        "agent pool local has more than it may have: 2 of 1 runners, 4 of 2 CPU",
        1,
    );
    queue.until("RunnerAdopted", 2);
    open(&queue, &["a"]);
    queue.until("RunnerCompleted", 1);
    has_done_what_follows(&queue, "a");
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "b"]);
    open(&queue, &["b", "c"]);
    run.finish().ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b", "c"]);
}

/// Tasks that declare the same file take turns, and keep nobody else from going on.
#[test]
fn tasks_with_a_file_in_common_take_turns() {
    let queue = Queue::new("")
        .settings("[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 4\n");
    let files = |names: &str| format!("files = [{names}]");
    queue.write(
        &[
            task(&queue, "a", WAIT, &files("\"x\", \"y\"")),
            task(&queue, "b", WAIT, &files("\"y\", \"z\"")),
            task(&queue, "c", "true", &files("\"z\"")),
            task(&queue, "d", "true", &files("\"z/y\"")),
        ]
        .concat(),
    );
    let run = queue.run("").spawn();
    queue.until("RunnerCompleted", 2);
    has_done_what_follows(&queue, "a");
    assert_eq!(queue.tasks_of("TaskAssigned").len(), 3, "b waits");
    open(&queue, &["b", "a"]);
    run.finish().ok();
    assert!(place(&queue, "TaskAssigned", "b") > place(&queue, "RunnerCompleted", "a"));
}

/// 3: among agent pools that fit, the one with the most room gets the next task.
#[test]
fn the_load_is_shared() {
    let settings = one_and_two("max_concurrency = 2", "max_concurrency = 4");
    let queue = Queue::new("").settings(&settings);
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    let tasks = ids.map(|id| task(&queue, id, WAIT, "skill = \"rust\""));
    queue.write(&tasks.concat());
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 6);
    has_done_what_follows(&queue, "a");
    let assigned = queue.all("TaskAssigned");
    let pools: Vec<&str> = assigned
        .iter()
        .filter_map(|e| e["agent_pool"].as_str())
        .collect();
    assert_eq!(pools, ["one", "two", "two", "one", "two", "two"]);
    open(&queue, &ids);
    run.finish().ok();
}

/// 75 gives the agent pool a rest and no longer: nothing begins there before it is over, and then
/// everything that waits. It counts no attempt.
#[test]
fn a_rest_of_an_agent_pool_ends() {
    let queue = Queue::new("").settings(
        "[dispatch]\ncooldown = \"700ms\"\n\
         [agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 1\n",
    );
    queue.write(
        &[
            task(
                &queue,
                "a",
                "[ $REPO_POOL_ATTEMPT = 3 ] || exit 75",
                "retries = 0",
            ),
            task(&queue, "b", "true", "depends = [\"a\"]"),
        ]
        .concat(),
    );
    queue.run("").run().ok();
    let cooling = queue.all("AgentPoolCooling");
    let assigned = queue.all("TaskAssigned");
    assert_eq!((cooling.len(), assigned.len()), (2, 4));
    for (rest, next) in cooling.iter().zip(&assigned[1..]) {
        let rested = time(next).duration_since(time(rest)).as_secs_f64();
        assert!(rested >= 0.69, "{rested}: {rest} {next}");
    }
    assert_eq!(queue.all("RunnerCompleted")[0]["attempt"], 3);
}

/// 7: with `aging_interval`, waiting is worth priority; without it, only priority counts.
#[test]
fn who_waits_is_not_overtaken_for_ever() {
    for (setting, expected) in [
        ("", ["hold", "high", "low"]),
        ("aging_interval = \"1h\"", ["hold", "high", "low"]),
        ("aging_interval = \"1ms\"", ["hold", "low", "high"]),
    ] {
        let queue = Queue::new("").settings(&format!("[dispatch]\n{setting}\n"));
        let tasks = [
            task(&queue, "hold", WAIT, "priority = 9"),
            task(&queue, "low", "true", ""),
        ];
        queue.write(&tasks.concat());
        let run = queue.run("--max 1").spawn();
        queue.until("RunnerStarted", 1);
        let ready = time(&queue.all("RunStarted")[0]);
        until("it has waited for longer than five steps", || {
            let waited = jiff::Timestamp::now().duration_since(ready);
            (waited.as_millis() > 20).then_some(())
        });
        let high = task(&queue, "high", "true", "priority = 5");
        std::fs::write(queue.path("more.toml"), high).expect("a file");
        queue.ask("add more.toml").run().ok();
        queue.until("TaskAdded", 1);
        open(&queue, &["hold"]);
        run.finish().ok();
        assert_eq!(queue.tasks_of("TaskAssigned"), expected, "{setting}");
    }
}
