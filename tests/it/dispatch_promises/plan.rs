//! 11: the policies, and that what `--dry-run` tells is what runs.

use super::{WAIT, open, task, time};
use crate::support::{Queue, until};

const SETTINGS: &str = "[dispatch]\nskill_mapping = { x = [\"own\"], default = [\"local\", \"own\"] }\n\
     [agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 1\n\
     [agent_pools.own]\ntype = \"local-process\"\nmax_concurrency = 1\n";

/// One task after the other, by each policy in its own order: the one that was told.
#[test]
fn what_is_planned_is_what_runs() {
    for (policy, order) in [
        ("fifo", "a c b d e f"),
        ("priority", "d b a c e f"),
        ("skill-based", "c a b d e f"),
    ] {
        let queue = Queue::new("").settings(SETTINGS);
        let of = |id: &str, more: &str| task(&queue, id, "true", more);
        queue.write(
            &[
                of("a", ""),
                of("b", "priority = 2"),
                of("c", "skill = \"x\""),
                of("d", "priority = 5"),
                of("e", "depends = [\"a\", \"c\"]"),
                of("f", "depends = [\"e\"]"),
            ]
            .concat(),
        );
        let words = format!("--policy {policy} --max 1");
        let plan = queue
            .run(&format!("{words} --dry-run --json"))
            .run()
            .ok()
            .json();
        let steps = plan["result"]["steps"].as_array().expect("steps").iter();
        let planned: Vec<_> = steps
            .map(|step| (step["task"].clone(), step["agent_pool"].clone()))
            .collect();
        queue.run(&words).run().ok();
        let assigned = queue.all("TaskAssigned");
        let ran: Vec<_> = assigned
            .iter()
            .map(|event| (event["task"].clone(), event["agent_pool"].clone()))
            .collect();
        let names = queue.tasks_of("TaskAssigned").join(" ");
        assert_eq!(names, order, "{policy}");
        assert_eq!(planned, ran, "{policy}");
    }
}

/// The group with the least use for its weight is next, whatever the files' order.
#[test]
fn shares_are_fair() {
    let queue = Queue::new("").settings(
        "[dispatch]\nscheduling_policy = \"fair-share\"\nshare_weights = { heavy = 1000 }\n",
    );
    let of = |id: &str, share: &str| task(&queue, id, "true", &format!("share = \"{share}\""));
    let hold = task(&queue, "hold", WAIT, "share = \"light\"");
    let others = [
        of("l1", "light"),
        of("l2", "light"),
        of("h1", "heavy"),
        of("h2", "heavy"),
    ];
    queue.write(&(hold + &others.concat()));
    let run = queue.run("--max 1").spawn();
    queue.until("RunnerStarted", 1);
    let begun = time(&queue.all("TaskAssigned")[0]);
    until("it has used more than a thousandth of a minute", || {
        let used = jiff::Timestamp::now().duration_since(begun);
        (used.as_millis() > 100).then_some(())
    });
    open(&queue, &["hold"]);
    run.finish().ok();
    assert_eq!(
        queue.tasks_of("TaskAssigned"),
        ["hold", "h1", "h2", "l1", "l2"]
    );
}
