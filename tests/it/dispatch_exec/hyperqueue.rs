//! A real engine: HyperQueue, a server and a worker of the test's own, driven by its Python package.

use std::process::Command;

use super::scene::{task, work_in_slot};
use crate::support::{Piped, Queue, in_path, program, say};

/// The server and a worker with two cores, until it is killed.
const CLUSTER: &str = "\
import signal, sys
from hyperqueue import LocalCluster
from hyperqueue.cluster import WorkerConfig
cluster = LocalCluster(sys.argv[1], WorkerConfig(cores=2))
print('ready', flush=True)
signal.pause()
";

/// What there is no client of its own for in that package: `submit NAME SCRIPT CPUS`, `poll JOB`.
const CLIENT: &str = "\
import os, sys
from hyperqueue import Client, Job
from hyperqueue.ffi.client import ClientConnection
from hyperqueue.ffi.protocol import ResourceRequest
server, verb, *words = sys.argv[1:]
if verb == 'submit':
    job = Job(max_fails=0)
    job.program([words[0]], stdout=None, stderr=None, resources=ResourceRequest(cpus=int(words[1])))
    submitted = Client(server).submit(job)
    print(getattr(submitted, 'id', submitted))
else:
    def seen(status):
        it = status[int(words[0])]
        print('FAILED' if it['failed'] else 'FINISHED' if it['completed'] else 'RUNNING', flush=True)
        os._exit(0)
    ClientConnection(server).wait_for_jobs([int(words[0])], seen)
";

/// The Python that has HyperQueue: the machine's, or the one that is named.
fn python() -> Option<String> {
    let named = std::env::var("REPO_POOL_TEST_HYPERQUEUE").ok();
    let python = named.unwrap_or_else(|| "python3".to_owned());
    let has_it = || {
        let mut command = Command::new(&python);
        let asked = command.args(["-c", "import hyperqueue"]).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    ((python.contains('/') || in_path(&python)) && has_it()).then_some(python)
}

/// Tasks in slots run as jobs of HyperQueue: a commit is on its branch, an exit code is known, what
/// takes too long is ended.
#[test]
fn tasks_run_in_hyperqueue() {
    let Some(python) = python() else {
        say("skipped: there is no Python with the package hyperqueue");
        return;
    };
    let tasks = [
        task(
            "commit",
            &["sh", "-c", &work_in_slot("one")],
            "repo = \"p\"",
        ),
        task("fail", &["sh", "-c", "exit 3"], "retries = 0\nrepo = \"p\""),
        task("long", &["sleep", "600"], "retries = 0\ntimeout = \"1s\""),
    ];
    let queue = Queue::with_slots(2, &tasks.concat());
    let (server, client) = (queue.path("hq"), queue.path("client.py"));
    std::fs::create_dir(&server).expect("a directory");
    program(&client, CLIENT);
    let mut cluster = queue.world.command(&python);
    cluster.args(["-c", CLUSTER]).arg(&server);
    let mut cluster = Piped::start(cluster);
    while cluster.line() != "ready" {}
    let call = |words: &str| {
        let words: Vec<String> = words.split(' ').map(|word| format!("{word:?}")).collect();
        format!("[{python:?}, {client:?}, {server:?}, {}]", words.join(", "))
    };
    let queue = queue.settings(&format!(
        "[agent_pools.hq]\ntype = \"exec\"\nsubmit = {}\npoll = {}\n\
         cancel = [\"sh\", \"-c\", \"read node pid <$0/job.begun && kill $pid\", \"{{dir}}\", \"{{job}}\"]\n\
         poll_every = \"300ms\"\n",
        call("submit {script} {cpu}"),
        call("poll {job}"),
    ));
    queue.run("").run().code(1);
    drop(cluster);
    let class = |task: &str| {
        let events = queue.events().into_iter();
        let mut ends = events.filter(|e| e["task"] == task && e["class"].is_string());
        ends.next().map(|end| {
            (
                end["class"].as_str().map(str::to_owned),
                end["exit_code"].as_i64(),
            )
        })
    };
    assert_eq!(class("commit"), Some((Some("done".into()), Some(0))));
    assert_eq!(class("fail"), Some((Some("failure".into()), Some(3))));
    assert_eq!(class("long"), Some((Some("timeout".into()), Some(143))));
    let slot = queue.world.bare("p");
    assert_eq!(
        queue
            .world
            .git(&slot, ["log", "-1", "--format=%s", "rp/commit"]),
        "one"
    );
    queue.all_slots_are_free();
}
