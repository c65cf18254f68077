//! A queue whose tasks run as Jobs of the tests' cluster.

use crate::support::cluster::Cluster;
use crate::support::{Queue, World, until};
use serde_json::{Value, json};

/// Waits until the test opens `go`; says in `started` that it has begun.
pub const WAITS: &str =
    "echo $REPO_POOL_ATTEMPT >> $DIR/started; until [ -e $DIR/go ]; do sleep 0.02; done";

/// A queue and a cluster.
pub struct Scene {
    // What runs in it ends before its files go.
    pub cluster: Cluster,
    pub queue: Queue,
}

impl Scene {
    /// With pool `p` of so many slots, and these settings more of the agent pool `k8s`, in which `$DIR` is
    /// the directory of the files. None if there is no
    /// `kubectl`.
    pub fn new(slots: u32, transport: &str, more: &str) -> Option<Self> {
        if !Cluster::has_client() {
            return None;
        }
        let world = World::with_pool(slots).0;
        let cluster = Cluster::new(&world);
        let settings = format!(
            "[dispatch]\npoll_interval = \"100ms\"\nretry_backoff_base = 1\n\
             [agent_pools.k8s]\ntype = \"kubernetes\"\nimage = \"tests/none:1\"\nmax_concurrency = 4\n\
             transport = \"{transport}\"\nwatch_interval = \"200ms\"\n{more}\n"
        );
        let queue = Queue::of(world, "");
        let dir = queue.path("").display().to_string();
        let settings = settings.replace("$DIR", dir.trim_end_matches('/'));
        let queue = queue.settings(&settings);
        Some(Self { cluster, queue })
    }

    /// In slots of this machine.
    pub fn here(slots: u32) -> Option<Self> {
        Self::new(slots, "hostPath", "")
    }

    /// A task over pool `p` that runs this script; `$DIR` is the directory of its file.
    pub fn task(&self, id: &str, script: &str, more: &str) -> String {
        let dir = self.queue.path("").display().to_string();
        let script = format!("DIR='{}'; {script}", dir.trim_end_matches('/'));
        let command = json!(["sh", "-c", script]);
        format!("[[task]]\nid = {id:?}\ncommand = {command}\nrepo = \"p\"\n{more}\n")
    }

    /// Writes the file of tasks.
    pub fn tasks(&self, tasks: &[String]) {
        self.queue.write(&tasks.concat());
    }

    /// How an attempt of a task ended: class, exit code, reason.
    #[track_caller]
    pub fn end(&self, task: &str, attempt: u32) -> (String, Option<i64>, String) {
        let events = self.queue.events().into_iter();
        let mut ends = events.filter(|event| is_end_of(event, task, attempt));
        let end = ends
            .next()
            .unwrap_or_else(|| panic!("no end of {task}/{attempt}: {:#?}", self.queue.events()));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lost = end["event"] == "RunnerLost";
        let class = if lost {
            "lost".to_owned()
        } else {
            text(&end["class"])
        };
        (class, end["exit_code"].as_i64(), text(&end["reason"]))
    }

    /// An attempt must have ended so.
    #[track_caller]
    pub fn ended(&self, task: &str, attempt: u32, class: &str, reason: &str) {
        let end = self.end(task, attempt);
        assert!(
            end.0 == class && end.2.contains(reason),
            "{task}/{attempt}: {end:?}"
        );
    }

    /// Waits until an attempt has ended so.
    #[track_caller]
    pub fn until_ended(&self, task: &str, attempt: u32, class: &str) {
        until(&format!("{task}/{attempt} has ended"), || {
            let mut events = self.queue.events().into_iter();
            let ended = events.any(|event| is_end_of(&event, task, attempt));
            ended.then_some(())
        });
        self.ended(task, attempt, class, "");
    }

    /// Somebody deletes all of these.
    #[track_caller]
    pub fn delete(&self, what: &str) {
        let words = format!("delete {what} --all --wait=false");
        self.cluster.kubectl(&self.queue.world, &words).run().ok();
    }

    /// Nothing is left: no Job, no pod, no slot that is held, nor what attempts' variables were.
    #[track_caller]
    pub fn nothing_is_left(&self) {
        for event in self.queue.all("TaskAssigned") {
            let task = event["task"].as_str().expect("a task");
            let attempt = event["attempt"].as_u64().expect("an attempt") as u32;
            let job = self.queue.attempt(task, attempt).join("job.json");
            let job = std::fs::read_to_string(job).unwrap_or_default();
            assert!(!job.contains("REPO_POOL_RUN_ID"), "{job}");
        }
        let (jobs, pods) = (self.cluster.jobs(), self.cluster.pods());
        assert!(jobs.is_empty() && pods.is_empty(), "{jobs:#?}\n{pods:#?}");
        self.queue.all_slots_are_free();
    }

    /// How often a task has begun that waits.
    pub fn starts(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.queue.path("started")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn is_end_of(event: &Value, task: &str, attempt: u32) -> bool {
    let is_end = event["class"].is_string() || event["event"] == "RunnerLost";
    is_end && event["task"] == task && event["attempt"] == attempt
}
