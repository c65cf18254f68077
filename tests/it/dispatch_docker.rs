//! Runners in containers of a real docker daemon. Where the environment names none, that is said and
//! nothing is tried.

mod daemon;
mod scene;

use crate::support::{Docker, IMAGE, Queue, SilentServer, World, alive, is_root, kill, until};
use rustix::process::Signal;
use scene::{WAITS, foreign, sh};

const IDENTITY: &str = "env = { GIT_AUTHOR_NAME = \"a\", GIT_AUTHOR_EMAIL = \"a@b\", \
    GIT_COMMITTER_NAME = \"a\", GIT_COMMITTER_EMAIL = \"a@b\", LINES = \"one\\n two\" }";

/// 5, 8, 9: what a container leaves is there outside and belongs to the right user, and each way of
/// ending is what it would be without one; no container stays.
#[test]
fn runners_in_containers_end_like_any_other() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let commit = "id -u; pwd; echo \"$LINES\"; git status --short && echo new > new && git add new && \
        git commit -qm new && touch $HOME/x /tmp/x && echo err >&2";
    let tasks = [
        sh("commit", commit, "repo = \"p\""),
        sh("seven", "exit 7", ""),
        sh("permanent", "exit 78", ""),
        sh("signal", "kill -9 $$", ""),
        sh(
            "oom",
            "head -c 200m /dev/zero | tail -c 150m > /dev/null",
            "memory = \"16M\"",
        ),
        sh("late", "sleep 1000", "timeout = \"1s\""),
        "[[task]]\nid = \"missing\"\ncommand = [\"/no/such\"]\n".to_owned(),
    ];
    let queue = Queue::with_slots(1, &tasks.concat()).settings(&docker.agent_pool(IDENTITY));
    queue.run("").run().code(1);
    let uid = rustix::process::getuid().as_raw();
    let slot = queue.world.pool_dir("p").join("worktrees/slot1");
    let log = format!("{uid}\n{}\none\n two\nerr\n", slot.display());
    assert_eq!(queue.log("commit", 1), log);
    let bare = queue.world.bare("p");
    assert_eq!(
        queue
            .world
            .git(&bare, "log -1 --format=%an:%s rp/commit")
            .trim(),
        "a:new"
    );
    assert_eq!(foreign(&queue.world.pool_dir("p")), "");
    queue.all_slots_are_free();
    for (task, class, reason) in [
        ("seven", "failure", ""),
        ("permanent", "permanent", ""),
        ("signal", "failure", "signal 9"),
        ("oom", "oom", "16 MiB"),
        ("late", "timeout", "timeout of 1s"),
        ("missing", "configuration", ""),
    ] {
        let failed = queue.all("RunnerFailed");
        let end = failed.iter().find(|event| event["task"] == task);
        let end = end.unwrap_or_else(|| panic!("{task} failed: {failed:?}"));
        assert_eq!(end["class"], class, "{end}");
        let said = end["reason"].as_str().unwrap_or_default();
        assert!(said.contains(reason), "{end}");
    }
    let run = queue.dir();
    let run = run.file_name().expect("its name").to_string_lossy();
    assert_eq!(docker.with_label(&format!("repo-pool.run={run}")), [""; 0]);
    for task in ["commit", "seven"] {
        for file in ["env", "order.json"] {
            assert!(!queue.attempt(task, 1).join(file).exists(), "{task} {file}");
        }
    }
}

/// What the root of a container has made is the slot's owner's again, commits too, and the slot goes
/// back clean.
#[test]
fn what_belongs_to_a_containers_root_is_given_back() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let script = "mkdir -p roots/own && echo x > roots/own/x && chmod 700 roots && echo y > y && \
        git add y && git commit -qm y && id -u";
    let script = format!("{script}; {WAITS}");
    let settings = docker.agent_pool(&format!("user = \"0:0\"\n{IDENTITY}"));
    let tasks = [
        sh("a", &script, "repo = \"p\""),
        sh("b", "ls", "repo = \"p\"\ndepends = [\"a\"]"),
    ];
    let queue = Queue::with_slots(1, &tasks.concat()).settings(&settings);
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    // As if whoever gives things back had been killed at that.
    let owner = queue.all("RunnerStarted")[0]["runner"].clone();
    let owner = format!("{}-owner", owner.as_str().expect("a name"));
    let attempt = format!("repo-pool.attempt={}", queue.attempt("a", 1).display());
    let words = [
        "create", "--name", &owner, "--label", &attempt, IMAGE, "true",
    ];
    docker.ask(&words).expect("a container");
    let slot = queue.world.pool_dir("p").join("worktrees/slot1");
    std::fs::write(slot.join("go"), "").expect("a file");
    run.finish().ok();
    // Root needs nobody for that.
    let left = docker.ask(&["rm", "--force", &owner]);
    assert_eq!(left.is_some_and(|name| name == owner), is_root());
    assert_eq!(queue.log("a", 1), "0\n");
    assert!(!queue.log("b", 1).contains("roots"));
    assert_eq!(foreign(&queue.world.pool_dir("p")), "");
    assert!(
        queue
            .all("SlotReleased")
            .iter()
            .all(|event| event["error"].is_null())
    );
    queue.all_slots_are_free();
}

/// A dispatcher that is killed, with and without the process that keeps the runner: the container is
/// taken up, runs once, and its output is neither lost nor doubled.
#[test]
fn a_container_is_adopted() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    for with_keeper in [false, true] {
        let script = format!("echo first; echo x >> times; {WAITS}; echo last");
        let queue = Queue::new(&sh("a", &script, "")).settings(&docker.agent_pool(""));
        let run = queue.run("").spawn();
        queue.until_there("times");
        queue.until("RunnerStarted", 1);
        let follower = queue.ask("log a --follow").spawn();
        until("its output comes", || {
            (queue.log("a", 1) == "first\n").then_some(())
        });
        let name = queue.all("RunnerStarted")[0]["runner"].clone();
        let name = format!("container {}", name.as_str().expect("a name"));
        let status = queue.ask("status").run();
        assert!(status.ok().stdout.contains(&name), "{status}");
        run.signal(Signal::KILL);
        drop(run);
        if with_keeper {
            let lock = std::fs::read(queue.attempt("a", 1).join("shim.lock")).expect("its lock");
            let lock: serde_json::Value = serde_json::from_slice(&lock).expect("its keeper");
            let keeper = lock["pid"].as_u64().expect("a pid") as u32;
            kill(keeper, Signal::KILL);
            until("it is gone", || (!alive(keeper)).then_some(()));
        }
        // Another daemon is configured now: it is found where it was started.
        let config = queue.world.workspace().join("pools.toml");
        std::fs::write(&config, "[agent_pools.other]\ntype = \"local-process\"\n")
            .expect("settings");
        let again = queue.run("").spawn();
        queue.until("RunnerAdopted", 1);
        queue.open("go");
        again.finish().ok();
        assert_eq!(queue.log("a", 1), "first\nlast\n");
        assert_eq!(queue.tasks_of("TaskAssigned"), ["a"]);
        assert_eq!(queue.until_there("times"), "x");
        let followed = follower.finish();
        assert_eq!(followed.ok().stdout, "first\nlast\n");
    }
}

/// Docker's context is the one of a run's beginning, whatever a person chooses meanwhile.
#[test]
fn another_context_is_for_other_runs() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let settings = docker.agent_pool("");
    let named = format!("host = {:?}\n", docker.host());
    assert!(settings.contains(&named));
    let tasks = [
        sh("a", &format!("echo a > begun; {WAITS}; echo a"), ""),
        sh("b", "echo b", "depends = [\"a\"]"),
    ];
    let queue = Queue::new(&tasks.concat()).settings(&settings.replace(&named, ""));
    let context = |words: &[&str]| {
        let mut command = std::process::Command::new("docker");
        command.arg("context").args(words);
        command.env("HOME", queue.world.home());
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"] {
            command.env_remove(name);
        }
        let output = command.output().expect("docker");
        assert!(output.status.success(), "{output:?}");
    };
    let nowhere = format!("unix://{}", queue.path("nowhere").display());
    for (name, host) in [("own", docker.host()), ("other", &nowhere)] {
        context(&["create", name, "--docker", &format!("host={host}")]);
    }
    context(&["use", "own"]);
    let run = queue.run("").spawn();
    queue.until_there("begun");
    context(&["use", "other"]);
    queue.open("go");
    run.finish().ok();
    assert_eq!(queue.completed().len(), 2);
    assert_eq!([queue.log("a", 1), queue.log("b", 1)], ["a\n", "b\n"]);
}

/// 8: who is cancelled is gone, and a container that somebody else ends or removes is told as that.
#[test]
fn containers_are_ended_from_here_and_elsewhere() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let traps = "trap 'echo asked; exit 3' TERM; echo begun";
    let tasks = ["cancelled", "killed", "removed"]
        .map(|id| sh(id, &format!("{traps}; echo $$ > {id}; {WAITS}"), ""));
    let queue = Queue::new(&tasks.concat()).settings(&docker.agent_pool(""));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 3);
    for task in ["cancelled", "killed", "removed"] {
        queue.until_there(task);
    }
    let name = |task: &str| {
        let started = queue.all("RunnerStarted").into_iter();
        let mut own = started.filter(|event| event["task"] == task);
        let own = own.next().expect("it started");
        own["runner"].as_str().expect("a name").to_owned()
    };
    docker
        .ask(&["kill", &name("killed")])
        .expect("it is killed");
    docker
        .ask(&["rm", "--force", &name("removed")])
        .expect("it is removed");
    until("its output comes", || {
        (queue.log("cancelled", 1) == "begun\n").then_some(())
    });
    queue.ask("cancel cancelled").run().ok();
    run.finish().code(1);
    assert_eq!(queue.log("cancelled", 1), "begun\nasked\n");
    for (task, class, reason) in [
        ("cancelled", "cancelled", ""),
        ("killed", "infra", "somebody had docker end its container"),
        ("removed", "infra", "somebody has removed it"),
    ] {
        let failed = queue.all("RunnerFailed");
        let end = failed
            .iter()
            .find(|event| event["task"] == task)
            .expect("its end");
        assert_eq!(end["class"], class, "{end}");
        assert!(
            end["reason"].as_str().unwrap_or_default().contains(reason),
            "{end}"
        );
        assert_eq!(docker.ask(&["container", "inspect", &name(task)]), None);
    }
}

/// What a former dispatcher could not clear away is found by its label, and nobody else's is touched.
#[test]
fn leftovers_are_cleared_away() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let queue = Queue::new(&sh("a", "true", "")).settings(&docker.agent_pool(""));
    queue.run("").run().ok();
    let dir = queue.dir();
    let run = dir
        .file_name()
        .expect("its name")
        .to_string_lossy()
        .into_owned();
    let left = |attempt: &std::path::Path| {
        let labels = [
            format!("--label=repo-pool.run={run}"),
            format!("--label=repo-pool.attempt={}", attempt.display()),
            "--label=repo-pool.begun=2020-01-01T00:00:00Z".to_owned(),
        ];
        let words = ["create", &labels[0], &labels[1], &labels[2], IMAGE, "true"];
        docker.ask(&words).expect("a container")
    };
    let (own, others) = (
        left(&queue.attempt("a", 7)),
        left("/elsewhere/a/1".as_ref()),
    );
    queue.run("").run().ok();
    assert_eq!(docker.ask(&["container", "inspect", &own]), None);
    assert!(docker.ask(&["rm", &others]).is_some());
}

/// Issue of who may: no daemon, no permission, no image, no docker at all, each with its reason.
#[test]
fn what_keeps_containers_from_running_is_told() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let world = World::new();
    let socket = world.path("socket");
    let told = |settings: &str, path: Option<&str>, class: &str, reason: &str| {
        let queue = Queue::new(&sh("a", "true", "")).settings(settings);
        let with_path = |call: crate::support::Call| match path {
            Some(path) => call.env("PATH", path),
            None => call,
        };
        with_path(queue.ask(&format!("check {}", queue.path("tasks.toml").display())))
            .run()
            .ok()
            .says("agent pool box can run nothing now")
            .says(reason);
        with_path(queue.run("")).run().code(1);
        let end = &queue.all("RunnerFailed")[0];
        assert_eq!(end["class"], class, "{end}");
        assert!(
            end["reason"]
                .as_str()
                .is_some_and(|said| said.contains(reason)),
            "{end}"
        );
    };
    let at = |host: &str, image: &str| {
        format!(
            "[agent_pools.box]\ntype = \"docker\"\nhost = {host:?}\nimage = {image:?}\n\
             pull = \"never\"\nanswer_timeout = \"30s\"\n"
        )
    };
    let nowhere = at(&format!("unix://{}", socket.display()), "x");
    told(&nowhere, None, "infra", "can't be reached");
    told(
        &at(docker.host(), "no-such-image:7"),
        None,
        "configuration",
        "no-such-image:7",
    );
    let git = world.path("bin");
    std::fs::create_dir(&git).expect("a directory");
    std::os::unix::fs::symlink(which("git"), git.join("git")).expect("a link");
    let path = git.to_str().expect("a path");
    told(
        &nowhere,
        Some(path),
        "configuration",
        "there is no such program",
    );
    if !is_root() {
        use std::os::unix::fs::PermissionsExt;
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let closed = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(&socket, closed).expect("permissions");
        told(&nowhere, None, "configuration", "permission denied");
    }
}

/// An image that can't be had is what keeps the container from running, not the daemon that says so.
#[test]
fn an_image_that_no_registry_gives_is_told() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let image = "127.0.0.1:1/x:1";
    for pull in ["missing", "always"] {
        let settings = format!(
            "[agent_pools.box]\ntype = \"docker\"\nhost = {:?}\nimage = {image:?}\npull = {pull:?}\n",
            docker.host()
        );
        let queue = Queue::new(&sh("a", "true", "")).settings(&settings);
        queue.run("").run().code(1);
        let end = &queue.all("RunnerFailed")[0];
        assert_eq!(end["class"], "infra", "{end}");
        let reason = end["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(&format!("no image {image}")), "{end}");
        assert!(reason.contains("connection refused"), "{end}");
        assert!(!reason.contains("daemon can't be reached"), "{end}");
    }
}

/// The time in which its image is fetched is not a runner's own.
#[test]
fn a_timeout_does_not_count_what_comes_before() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let registry = SilentServer::start();
    let image = format!("127.0.0.1:{}/x:1", registry.port());
    let settings = format!(
        "[agent_pools.box]\ntype = \"docker\"\nhost = {:?}\nimage = {image:?}\n",
        docker.host()
    );
    let queue =
        Queue::new(&sh("a", "true", "timeout = \"1s\"\nstall = \"1s\"")).settings(&settings);
    let run = queue.run("").spawn();
    until("the registry is asked", || {
        (registry.connections() > 0).then_some(())
    });
    let since = std::time::Instant::now();
    until("more than its time has passed", || {
        (since.elapsed() > std::time::Duration::from_secs(2)).then_some(())
    });
    queue.ask("cancel a").run().ok();
    run.finish().code(1);
    let end = &queue.all("RunnerFailed")[0];
    assert_eq!(end["class"], "cancelled", "{end}");
}

/// Of a container that writes too much no more is kept than may be.
#[test]
fn output_has_a_limit() {
    let Some(docker) = Docker::of_all() else {
        return;
    };
    let task = sh("a", "while :; do echo 0123456789; done", "");
    let settings = format!("[dispatch]\nlog_limit = \"10K\"\n{}", docker.agent_pool(""));
    let queue = Queue::new(&task).settings(&settings);
    queue.run("").run().code(1);
    let end = &queue.all("RunnerFailed")[0];
    assert_eq!(end["class"], "output", "{end}");
    assert_eq!(queue.log("a", 1).len(), 10 << 10);
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let mut found = std::env::split_paths(&path).map(|dir| dir.join(program));
    found.find(|file| file.is_file()).expect("the program")
}
