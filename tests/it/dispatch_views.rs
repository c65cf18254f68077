//! What is seen of a run, and what can be asked of it, while a dispatcher works on it and without one.

use crate::support::schemas::assert_is;
use crate::support::{Piped, Queue, Terminal, until};
use serde_json::{Value, json};

/// What a task does that waits for a file `go` beside its own.
const WAITS: &str = "echo begun; until [ -e go ]; do sleep 0.02; done; echo over";

fn sh(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\n{more}\n")
}

/// Four tasks: one waits for `go`, one waits for that, one fails for good, one is blocked by it.
fn scene() -> Queue {
    Queue::new(
        &[
            sh("a", WAITS, "title = \"First\""),
            sh("b", "true", "depends = [\"a\"]"),
            sh("c", "echo no; exit 3", "retries = 0"),
            sh("d", "true", "depends = [\"c\"]"),
        ]
        .concat(),
    )
}

fn status(queue: &Queue) -> Value {
    let document = queue.ask("status --json").run().ok().json();
    assert_is("dispatch-run", &document);
    document["run"].clone()
}

fn task<'v>(run: &'v Value, id: &str) -> &'v Value {
    let tasks = run["tasks"].as_array().expect("tasks");
    tasks.iter().find(|task| task["id"] == id).expect("it")
}

fn dispatch(queue: &Queue, words: &str) -> std::process::Command {
    let mut command = queue.world.command(env!("CARGO_BIN_EXE_repo-pool"));
    command.arg("dispatch").args(words.split(' '));
    command.env("NO_COLOR", "1");
    command
}

/// 14: counts, agent pools, what runs and what went wrong, while it goes on and afterwards; every task
/// on request.
#[test]
fn status_shows_where_a_run_stands() {
    let queue = scene();
    queue
        .ask("status")
        .run()
        .code(7)
        .says("there is no run yet");
    let run = queue.run("--max 3").spawn();
    queue.until("RunnerStarted", 2);
    queue.until("RunnerFailed", 1);
    let text = queue.ask("status").run().ok().stdout.clone();
    let pid = run.pid();
    for part in [
        &format!("pid {pid}, policy priority")[..],
        "0 of 4 done, 1 running, 1 waiting, 1 failed, 1 blocked",
        "\nlocal",
        "\na     running",
        "First",
        "\nc     failed",
        "exit 3",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!text.contains("\nb "), "{text}");
    let all = queue.ask("status --all").run().ok().stdout.clone();
    assert!(
        all.contains("waits for a") && all.contains("dependency c failed"),
        "{all}"
    );
    let shown = status(&queue);
    assert_eq!(shown["state"], "running");
    assert_eq!(shown["dispatcher_pid"], pid);
    assert_eq!(shown["agent_pools"][0]["running"], 1);
    assert_eq!(task(&shown, "a")["running"]["agent_pool"], "local");
    queue.open("go");
    let out = run.finish();
    out.code(1);
    let shown = status(&queue);
    assert_eq!(
        (&shown["state"], &shown["exit_code"]),
        (&json!("ended"), &json!(1))
    );
    assert_eq!(shown["counts"]["done"], 2);
    let name = shown["run"].as_str().expect("a name");
    queue
        .ask(&format!("status --run {}", &name[..7]))
        .run()
        .ok();
    queue.ask("status --run other").run().code(7).says(name);
}

/// 14: a terminal is redrawn in place, at every change.
#[test]
fn status_is_redrawn_while_the_run_goes_on() {
    let queue = scene();
    let run = queue.run("").spawn();
    queue.until("RunnerFailed", 1);
    let terminal = Terminal::start(dispatch(&queue, "status --watch=1h"), 100, 30);
    let seen = terminal.until(0, |seen| seen.contains("0 of 4 done, 1 running"));
    queue.open("go");
    let seen = terminal.until(seen.len(), |seen| {
        seen.contains("2 of 4 done") && seen.contains("exit 1")
    });
    assert!(
        !seen.contains("\x1b[2J"),
        "cleared, so it flickers: {seen:?}"
    );
    terminal.keys("\x03");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0);
    assert!(seen.ends_with("\x1b[?1049l"), "{seen:?}");
    run.finish().code(1);
}

/// Why a task waits is told, with the command that helps.
#[test]
fn why_names_the_reason_and_the_command() {
    let queue = scene();
    let run = queue.run("--max 1").spawn();
    queue.until("RunnerStarted", 1);
    let says = |task: &str, reason: &str, command: &str| {
        let out = queue.ask(&format!("why {task}")).run();
        out.ok();
        for part in [reason, command] {
            assert!(out.stdout.contains(part), "{part:?} in {}", out.stdout);
        }
        let document = queue.ask(&format!("why {task} --json")).run().ok().json();
        assert_is("dispatch-why", &document);
    };
    says(
        "a",
        "it runs in agent pool local",
        "repo-pool dispatch log -f a",
    );
    says("b", "it waits for task a, which", "");
    says(
        "c",
        "max_global_concurrency is 1",
        "repo-pool dispatch prio c N",
    );
    queue.open("go");
    run.finish().code(1);
    says("b", "it is done", "");
    says(
        "c",
        "it failed for good: exit 3",
        "repo-pool dispatch retry c",
    );
    says("d", "task c failed", "repo-pool dispatch retry c");
    queue.ask("why e").run().code(7).says("has no task e");
}

/// The output of the last attempt, of one, of all; what comes is followed through all attempts.
#[test]
fn log_follows_a_task_through_its_attempts() {
    let script = "printf %s $REPO_POOL_ATTEMPT; echo; until [ -e go$REPO_POOL_ATTEMPT ]; do \
        sleep 0.02; done; printf 'end of %s' $REPO_POOL_ATTEMPT; [ $REPO_POOL_ATTEMPT = 2 ]";
    let queue = Queue::new(&(sh("a", script, "") + &sh("b", "true", "depends = [\"a\"]")));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    queue.ask("log b").run().ok().says("has not run yet");
    let mut followed = Piped::start(dispatch(&queue, "log -f a"));
    assert_eq!(followed.line(), "1");
    queue.open("go1");
    assert_eq!(followed.line(), "end of 12");
    queue.open("go2");
    assert_eq!(followed.code(), Some(0));
    run.finish().ok();
    let log = |words: &str| queue.ask(&format!("log {words}")).run().ok().stdout.clone();
    assert_eq!(log("a"), "2\nend of 2");
    assert_eq!(log("a --attempt 1"), "1\nend of 1");
    assert_eq!(log("a --all"), "1\nend of 12\nend of 2");
    assert_eq!(log("-f a"), "2\nend of 2");
    queue.ask("log a --attempt 3").run().code(7);
    let document = queue.ask("log a --all --json").run().ok().json();
    assert_is("dispatch-log", &document);
    let attempts = document["result"]["attempts"].as_array().expect("attempts");
    let file = attempts[1]["log"].as_str().expect("a path");
    assert_eq!(
        std::fs::read_to_string(file).expect("the log"),
        "2\nend of 2"
    );
}

/// 10: what happened is told, of all tasks or one, and as it comes.
#[test]
fn events_are_told_and_followed() {
    let queue = scene();
    let run = queue.run("").spawn();
    queue.until("RunnerFailed", 1);
    let mut followed = Piped::start(dispatch(&queue, "events a -f --json"));
    let mut next = |kind: &str| loop {
        let event = followed.json();
        assert_is("dispatch-events", &event);
        assert_eq!(event["task"], "a");
        if event["event"] == kind {
            return event;
        }
    };
    next("RunnerStarted");
    queue.open("go");
    next("RunnerCompleted");
    run.finish().code(1);
    let all = queue.ask("events --json").run().ok().json_lines();
    let numbers: Vec<_> = all.iter().map(|event| event["n"].as_u64()).collect();
    assert_eq!(
        numbers,
        (1..=all.len() as u64).map(Some).collect::<Vec<_>>()
    );
    let last = queue.ask("events -n 1").run().ok().stdout.clone();
    assert!(
        last.ends_with("run ended  exit 1\n") && last.lines().count() == 1,
        "{last}"
    );
    let failed = queue.ask("events c").run().ok().stdout.clone();
    assert!(failed.contains("attempt 1: exit 3 after"), "{failed}");
}

/// 2, 7: what is asked of a run reaches the dispatcher that works on it.
#[test]
fn a_dispatcher_is_told_what_people_want() {
    let queue = Queue::new(
        &[
            sh("a", WAITS, ""),
            sh("b", "echo b >> order", ""),
            sh("c", "echo c >> order", ""),
            sh("d", "echo d >> order", ""),
        ]
        .concat(),
    );
    let run = queue.run("--max 1").spawn();
    queue.until("RunnerStarted", 1);
    let asked = queue.ask("prio d 5 --json").run().ok().json();
    assert_is("dispatch-asked", &asked);
    assert_eq!(asked["result"]["effect"], "told");
    assert_eq!(asked["result"]["dispatcher_pid"], run.pid());
    queue.ask("cancel b").run().ok().says("was told");
    queue.ask("pool disable local").run().ok();
    until("all was taken up", || {
        (queue.all("AgentPoolChanged").len() == 1).then_some(())
    });
    let pools = queue.ask("pool list --json").run().ok().json();
    assert_is("dispatch-pools", &pools);
    assert_eq!(pools["agent_pools"][0]["enabled"], false);
    let why = queue.ask("why d").run().ok().stdout.clone();
    assert!(
        why.contains("repo-pool dispatch pool enable local"),
        "{why}"
    );
    let more = queue.path("more.toml");
    std::fs::write(&more, sh("e", "echo e >> order", "")).expect("writing");
    queue.ask("add more.toml").run().ok();
    queue.ask("pool set local --max 1").run().ok();
    queue.ask("pool enable local").run().ok();
    queue.open("go");
    run.finish().code(1);
    let order = std::fs::read_to_string(queue.path("order")).expect("order");
    assert_eq!(order, "d\nc\ne\n");
    queue
        .ask("pool enable other")
        .run()
        .code(7)
        .says("it has local");
    queue.ask("prio x 1").run().code(7);
    queue.ask("add nowhere.toml").run().code(2);
}

/// `retry` and `cancel` hold without a dispatcher, too, and are refused where they make no sense.
#[test]
fn what_is_asked_without_a_dispatcher_holds_for_the_next() {
    let queue = Queue::new(
        &[
            sh("a", "test -e go", "retries = 0"),
            sh("b", "true", "depends = [\"a\"]"),
        ]
        .concat(),
    );
    queue.run("").run().code(1);
    let refused = queue.ask("retry b").run();
    refused.code(1).says("repo-pool dispatch retry a");
    queue.open("go");
    let out = queue.ask("retry --failed").run();
    out.ok().says(format!(
        "dispatch run {}",
        queue.path("tasks.toml").display()
    ));
    assert_eq!(status(&queue)["counts"]["ready"], 1);
    queue.ask("cancel a").run().ok().says("done");
    assert_eq!(task(&status(&queue), "a")["state"], "cancelled");
    queue.ask("retry a").run().ok();
    queue.run("").run().ok();
    queue
        .ask("retry a")
        .run()
        .code(1)
        .says("there is nothing to retry");
    queue
        .ask("retry --failed")
        .run()
        .ok()
        .says("no task has failed");
}

/// A line an event where there is no terminal, nothing if nothing is wanted, one document if that is;
/// at the end what became of the tasks.
#[test]
fn a_run_tells_how_it_goes() {
    let queue = scene();
    queue.open("go");
    let out = queue.run("").run();
    out.code(1).silent();
    for part in [
        "run started  4 tasks, policy priority, pid ",
        "started      attempt 1, pid ",
        "attempt 1: exit 3 after ",
        "2 of 4 done, 1 failed, 1 blocked, in ",
        "repo-pool dispatch retry --failed",
    ] {
        out.says(part);
    }
    assert!(!out.stderr.contains("assigned"), "{}", out.stderr);
    let quiet = queue.run("--fresh -q").run();
    assert_eq!((quiet.code, quiet.stderr.as_str()), (1, ""));
    queue.run("--fresh -v").run().code(1).says("assigned");
    let document = queue.run("--fresh --json").run().code(1).json();
    assert_is("dispatch-run", &document);
    assert_eq!(document["run"]["counts"]["failed"], 1);
}

/// At a terminal what runs is a table that is drawn over, and only what goes wrong gets a line.
#[test]
fn a_run_at_a_terminal_is_a_table() {
    let queue = scene();
    let words = format!("run {}", queue.path("tasks.toml").display());
    let terminal = Terminal::start(dispatch(&queue, &words), 100, 30);
    let seen = terminal.until(0, |seen| {
        seen.contains("0 of 4 done, 1 running") && seen.contains("attempt 1  local")
    });
    assert!(!seen.contains("run started"), "{seen:?}");
    terminal.until(0, |seen| seen.contains("attempt 1: exit 3 after"));
    queue.open("go");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 1, "{seen:?}");
    let last = seen
        .rfind("2 of 4 done, 1 failed, 1 blocked, in ")
        .expect("the summary");
    assert!(!seen[last..].contains("[="), "the table is gone: {seen:?}");
}

/// 13: what a person has to decide is shown with the question and the command.
#[test]
fn who_is_needed_is_told_so() {
    let write =
        |word: &str| format!("echo {word} > same.txt && git add -A && git commit -qm {word}");
    let queue = Queue::with_slots(
        2,
        &[
            "[defaults]\nrepo = \"p\"\n".to_owned(),
            sh("a", &write("one"), ""),
            sh("b", &write("two"), ""),
            sh("c", "true", "depends = [\"a\", \"b\"]\nbase = \"deps\""),
        ]
        .concat(),
    );
    let out = queue.run("").run();
    out.code(4).says("task c needs you:").says("same.txt");
    let shown = status(&queue);
    let asked = &shown["attention"][0];
    assert_eq!(asked["task"], "c");
    let command = asked["command"].as_str().expect("a command");
    for view in ["status", "why c"] {
        let text = queue.ask(view).run().ok().stdout.clone();
        assert!(
            text.contains(command) && text.contains("same.txt"),
            "{text}"
        );
    }
    assert!(task(&shown, "a")["branch"].is_string(), "{shown}");
}

/// 14: the figures are written while the run goes on and at its end, and counters go on with the run.
#[test]
fn figures_are_written_for_prometheus() {
    let queue = scene();
    let file = queue.path("own.prom");
    let run = queue.run("--metrics-file own.prom").spawn();
    let page = || std::fs::read_to_string(&file).unwrap_or_default();
    let has = |sample: &str| page().lines().any(|line| line.ends_with(sample));
    let name = queue_name(&queue);
    until("the running task is counted", || {
        has(&format!(
            "running_tasks{{run=\"{name}\",agent_pool=\"local\"}} 1"
        ))
        .then_some(())
    });
    queue.open("go");
    run.finish().code(1);
    let of = |labels: &str| format!("{{run=\"{name}\",{labels}}}");
    for sample in [
        format!(
            "repo_pool_dispatch_attempts_total{} 2",
            of("result=\"done\"")
        ),
        format!(
            "repo_pool_dispatch_attempts_total{} 1",
            of("result=\"failure\"")
        ),
        format!(
            "repo_pool_dispatch_queue_tasks{} 1",
            of("state=\"blocked\"")
        ),
        format!(
            "repo_pool_dispatch_running_tasks{} 0",
            of("agent_pool=\"local\"")
        ),
        format!(
            "repo_pool_dispatch_wait_seconds_bucket{} 3",
            of("le=\"+Inf\"")
        ),
        format!("repo_pool_dispatch_run_seconds_count{{run=\"{name}\"}} 3"),
    ] {
        assert!(has(&sample), "{sample} in {}", page());
    }
    let own = std::fs::read_to_string(queue.dir().join("metrics.prom")).expect("the figures");
    assert_eq!(own, page());
    queue.ask("retry c").run().ok();
    queue.run("--metrics-file own.prom").run().code(1);
    let failures = format!("attempts_total{} 2", of("result=\"failure\""));
    assert!(has(&failures), "{}", page());
}

fn queue_name(queue: &Queue) -> String {
    queue.until("RunStarted", 1);
    let dir = queue.dir();
    dir.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// Runs, agent pools and tasks are completed: those that the verb can be about.
#[test]
fn tasks_are_completed_by_where_they_stand() {
    let queue = scene();
    queue.open("go");
    queue.run("").run().code(1);
    let name = queue_name(&queue);
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let index = words.len().to_string();
        let asked = ["__complete", "fish", &index, "--", "repo-pool"];
        let asked = asked.iter().chain(&words).map(|word| (*word).to_owned());
        let out = queue.world.pool(asked.collect::<Vec<String>>());
        let words = out.ok().stdout.lines().skip(1);
        let words = words.map(|line| line.split('\t').next().unwrap_or_default().to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!(complete("dispatch retry "), ["c"]);
    assert_eq!(complete("dispatch cancel "), ["d"]);
    assert_eq!(complete("dispatch log "), ["a", "b", "c", "d"]);
    assert_eq!(
        complete(&format!("dispatch log --run {} ", &name[..8])).len(),
        4
    );
    assert_eq!(complete("dispatch why --run "), [name]);
    assert_eq!(complete("dispatch pool enable l"), ["local"]);
}
