//! A run that needs a person says so: which end, which pause, which question, and what helps.

use crate::support::{Queue, Terminal};
use rustix::process::Signal;
use serde_json::{Value, json};

fn sh(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\n{more}\n")
}

fn attention(queue: &Queue) -> Vec<Value> {
    let shown = queue.ask("status --json").run().ok().json();
    shown["run"]["attention"]
        .as_array()
        .expect("a list")
        .clone()
}

const WAITS: &str = "until [ -e go ]; do sleep 0.02; done";

/// An agent pool that somebody disables is a pause: the run says what it waits for, and goes on.
#[test]
fn a_run_whose_agent_pool_somebody_disables_waits_for_it() {
    let queue = Queue::new(&(sh("a", WAITS, "") + &sh("b", "true", "depends = [\"a\"]")));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    queue.ask("pool disable local").run().ok();
    queue.until("AgentPoolChanged", 1);
    queue.open("go");
    queue.until("NeedsAttention", 1);
    let asked = attention(&queue);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0]["command"], queue.told("pool enable local"));
    queue.ask("pool set local --max 1").run().ok();
    queue.until("NeedsAttention", 2);
    queue.ask("pool enable local").run().ok();
    run.finish().ok().says("agent pool local is disabled");
    assert_eq!(attention(&queue), Vec::<Value>::new());
}

/// 12: whoever lowers a limit below what runs is told so; what runs goes on.
#[test]
fn a_limit_below_what_runs_is_warned_of() {
    let queue = Queue::new(&(sh("a", WAITS, "") + &sh("b", WAITS, "")))
        .settings("[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 2\n");
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 2);
    queue.ask("pool set local --max 1").run().ok();
    queue.until("Warning", 1);
    let said = queue.all("Warning")[0]["text"].to_string();
    assert!(said.contains("2 of 1 runners"), "{said}");
    queue.open("go");
    run.finish().ok();
}

/// One that the settings disable is not: nothing goes on without a person.
#[test]
fn a_run_whose_agent_pool_is_disabled_by_its_settings_ends() {
    let queue = Queue::new(&sh("a", "true", ""));
    let queue = queue.settings("[agent_pools.local]\ntype = \"local-process\"\nenabled = false\n");
    queue
        .run("")
        .run()
        .code(4)
        .says("repo-pool dispatch pool enable local");
    queue.ask("pool enable local").run().ok();
    queue.run("").run().ok();
}

/// With `--watch` a run that has come to a standstill says so once, and goes on when it is answered.
#[test]
fn a_watching_run_tells_of_a_standstill() {
    let queue =
        Queue::new(&(sh("a", "test -e go", "retries = 0") + &sh("b", "true", "depends = [\"a\"]")));
    let run = queue.run("--watch").spawn();
    queue.until("NeedsAttention", 1);
    let asked = attention(&queue);
    assert_eq!(asked[0]["command"], queue.told("retry a"));
    queue.open("go");
    queue.ask("retry a").run().ok();
    queue.until("RunnerCompleted", 2);
    assert_eq!(attention(&queue), Vec::<Value>::new());
    assert_eq!(queue.all("NeedsAttention").len(), 1);
    run.signal(Signal::INT);
    run.finish().code(130);
}

/// Who presses Ctrl-C is told what that does, and the table stays whole; `why` says it too.
#[test]
fn an_interrupted_run_says_what_it_waits_for() {
    let queue = Queue::new(&(sh("a", WAITS, "") + &sh("b", "true", "depends = [\"a\"]")));
    let mut command = queue.world.command(env!("CARGO_BIN_EXE_repo-pool"));
    let file = queue.path("tasks.toml");
    command
        .args(["dispatch", "run"])
        .arg(file)
        .env("NO_COLOR", "1");
    let terminal = Terminal::start(command, 200, 30);
    let seen = terminal.until(0, |seen| seen.contains("0 of 2 done, 1 running"));
    // What has only been assigned is not begun any more.
    queue.until("RunnerStarted", 1);
    terminal.keys("\x03");
    terminal.until(seen.len(), |seen| {
        seen.contains("a second signal ends it") && seen.contains("s, draining")
    });
    let why = queue.ask("why b").run().ok().stdout.clone();
    assert!(
        why.contains("was told to end (signal 2), and starts nothing new"),
        "{why}"
    );
    queue.open("go");
    let (code, _) = terminal.finish();
    assert_eq!(code, 130);
    queue.run("").run().ok();
}

/// Of what has ended it is told since when, and how long it took.
#[test]
fn status_tells_since_when_a_task_is_done() {
    let queue = Queue::new(&(sh("a", "true", "") + &sh("b", "false", "retries = 0")));
    queue.run("").run().code(1);
    let shown = queue.ask("status --json").run().ok().json();
    for (task, event) in [(0, "RunnerCompleted"), (1, "RunnerFailed")] {
        let (task, event) = (&shown["run"]["tasks"][task], &queue.all(event)[0]);
        assert_eq!(
            (&task["since"], &task["last_seconds"]),
            (&event["time"], &event["seconds"])
        );
    }
    let text = queue.ask("status --all").run().ok().stdout.clone();
    let done = text.lines().find(|line| line.starts_with('a')).expect("it");
    assert!(done.contains("s ") && done.contains("ms"), "{text}");
}

/// What people are told to do about a run is done to that one, whatever has run since.
#[test]
fn a_command_that_is_told_names_its_run() {
    let tasks = sh("a", "false", "retries = 0") + &sh("b", "true", "depends = [\"a\"]");
    let queue = Queue::new(&tasks);
    queue.run("").run().code(1);
    let told = queue.told("retry a");
    std::fs::write(queue.path("later.toml"), &tasks).expect("a file");
    queue.ask("run later.toml").run().code(1);
    let why = queue.ask("why b --run tasks --json").run().ok().json();
    assert_eq!(why["result"]["commands"][0]["command"], told);
    queue.typed(&told).ok();
    for (run, failed) in [("tasks", 0), ("later", 1)] {
        let shown = queue.ask(&format!("status --run {run} --json")).run();
        assert_eq!(shown.ok().json()["run"]["counts"]["failed"], failed);
    }
}

/// What is told to who named the workspace and the settings says them too, wherever it is typed; so
/// does what was written down before.
#[test]
fn a_command_that_is_told_names_the_place_that_was_named() {
    let tasks = sh("a", "test -e go", "retries = 0") + &sh("b", "true", "depends = [\"a\"]");
    let queue = Queue::new(&tasks);
    let settings = "[agent_pools.local]\ntype = \"local-process\"\nenabled = false\n";
    std::fs::write(queue.path("own.toml"), settings).expect("settings");
    let there = |words: &str| {
        let place = ["--workspace", "my ws", "--config", "own.toml"];
        let words = words.split(' ').chain(place).map(str::to_owned);
        queue.world.call(words.collect::<Vec<_>>())
    };
    let root = queue.path("").display().to_string();
    let ours = format!("repo-pool --workspace '{root}my ws' --config {root}own.toml dispatch ");
    let first = there("dispatch run tasks.toml").run();
    let shown = there("dispatch status --json").run().ok().json();
    let run = shown["run"]["run"].as_str().expect("a name");
    let enable = format!("{ours}pool enable local --run {run}");
    first.code(4).says(&enable);
    assert_eq!(shown["run"]["attention"][0]["command"], enable);
    for words in ["dispatch events", "dispatch events --json"] {
        let events = there(words).run().ok().stdout.clone();
        assert_eq!(events.matches(&enable).count(), 1, "{events}");
    }
    queue.typed(&enable).ok();
    let resume = format!("{ours}run {root}tasks.toml");
    let failed = there("dispatch run tasks.toml").run();
    failed.code(1).says(format!("`{resume}` run what failed"));
    let retry = format!("{ours}retry a --run {run}");
    let why = there("dispatch why b --json").run().ok().json();
    assert_eq!(why["result"]["commands"][0]["command"], retry);
    queue.typed(&retry).ok().says(format!("`{resume}` goes on"));
    queue.open("go");
    queue.typed(&resume).ok();
    // Who says by the environment where it is needs no option.
    let shown = queue
        .ask("status --json")
        .env("REPO_POOL_WORKSPACE", queue.path("my ws"));
    assert_eq!(shown.run().ok().json()["run"]["counts"]["done"], 2);
    let retried = queue
        .ask("retry b")
        .env("REPO_POOL_WORKSPACE", queue.path("my ws"))
        .run();
    retried.code(1).never_says("--workspace");
    let missing = there("dispatch why c").run();
    missing
        .code(7)
        .says(format!("`{ours}status --all --run {run}`"));
}

/// Nothing goes on with a run that was set aside: nothing can be wanted of it, and nothing is advised.
#[test]
fn a_run_that_was_set_aside_takes_no_wishes() {
    let tasks = sh("a", "test -e go", "retries = 0") + &sh("b", "true", "depends = [\"a\"]");
    let queue = Queue::new(&tasks);
    queue.run("").run().code(1);
    queue.run("--fresh").run().code(1);
    let new = queue
        .dir()
        .file_name()
        .expect("its name")
        .display()
        .to_string();
    let old = format!("--run {new}.1");
    for wish in [
        "retry a",
        "retry --failed",
        "cancel b",
        "prio b 3",
        "add tasks.toml",
        "pool disable local",
    ] {
        let refused = queue.ask(&format!("{wish} {old}")).run();
        let next = format!("{new} has taken its place");
        refused
            .code(1)
            .says(next)
            .says(format!("status --run {new}`"));
    }
    for task in ["a", "b"] {
        let why = queue.ask(&format!("why {task} {old}")).run();
        why.ok()
            .never_says("dispatch retry")
            .never_says("dispatch run");
        assert!(why.stdout.contains("was set aside"), "{why}");
    }
    let shown = queue.ask(&format!("status {old} --json")).run().ok().json();
    assert_eq!(shown["run"]["attention"], json!([]));
    // The other has its own.
    queue.ask("retry a").run().ok();
}

/// An id that looks like an option is none in what people are told.
#[test]
fn a_command_that_is_told_means_the_task_whatever_its_id() {
    let queue = Queue::new(&(sh("--all", WAITS, "") + &sh("-h", "true", "depends = [\"--all\"]")));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let of = |verb: &str, id: &str| {
        let why = queue.ask(&format!("why --json -- {id}")).run().ok().json();
        let commands = why["result"]["commands"].as_array().expect("a list");
        let mut commands = commands.iter().filter_map(|told| told["command"].as_str());
        let verb = format!("dispatch {verb} ");
        let told = commands.find(|told| told.contains(&verb));
        told.unwrap_or_else(|| panic!("{why:#}")).to_owned()
    };
    queue.typed(&of("log", "--all").replace("-f ", "")).ok();
    queue.typed(&of("cancel", "--all")).ok();
    queue.until("TaskCancelled", 1);
    run.finish().code(1);
    assert_eq!(queue.tasks_of("TaskCancelled"), ["--all"]);
    queue.typed(&of("retry", "-h")).ok();
    let prio = of("prio", "--all").replace(" N", " -5");
    queue.typed(&prio).ok();
    assert_eq!(queue.tasks_of("TaskRetried"), ["--all"]);
    assert_eq!(queue.all("PriorityChanged")[0]["priority"], -5);
    queue.open("go");
    queue.run("").run().ok();
}
