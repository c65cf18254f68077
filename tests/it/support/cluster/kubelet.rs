//! What a node does: it runs the containers of pods as processes of this machine, and says how they are.

use super::Shared;
use super::container::{Container, Waits, list, text};
use super::jobs::time_is_over;
use super::store::{Key, Kind, State, Trouble, is_over, now, set_condition};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One pod and when it has to be over.
struct Watched<'a> {
    shared: &'a Arc<Shared>,
    key: &'a Key,
    pod: Value,
    uid: String,
    /// The Job's deadline and the pod's own.
    deadlines: [Option<Instant>; 2],
}

/// What happens to a pod that is watched.
enum Event {
    /// Its process has ended.
    Exit(i32),
    /// It is to go, or the cluster ends: within so much time.
    Stop(Duration),
    /// The Job's deadline is past, or (`false`) its own.
    Deadline(bool),
    /// Something is otherwise than it was shown: look again.
    Changed,
}

/// Looks after a pod from its creation to its end.
pub fn look_after(shared: &Arc<Shared>, key: &Key) {
    let Some(pod) = shared.store.look().objects.get(key).cloned() else {
        return;
    };
    let watched = Watched {
        shared,
        key,
        uid: text(&pod["metadata"]["uid"]),
        deadlines: deadlines(&shared.store.look(), &pod),
        pod,
    };
    watched.live();
    watched.shared.node.tidy(&watched.pod);
    // What is to go goes when it has ended.
    shared.with(|state| {
        let pod = state.objects.get(key);
        if pod.is_some_and(|pod| !pod["metadata"]["deletionTimestamp"].is_null()) {
            state.remove(key);
        }
    });
}

fn deadlines(state: &State, pod: &Value) -> [Option<Instant>; 2] {
    let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
    let mut jobs = state.of(Kind::Job, "");
    let job = jobs.find(|(_, job)| job["metadata"]["uid"] == *owner);
    let of_job = job.and_then(|(_, job)| job["spec"]["activeDeadlineSeconds"].as_u64());
    let own = pod["spec"]["activeDeadlineSeconds"].as_u64();
    [of_job, own].map(|seconds| Some(Instant::now() + Duration::from_secs(seconds?)))
}

impl Watched<'_> {
    fn live(&self) {
        let spec = &self.pod["spec"];
        for (is_init, container) in list(&spec["initContainers"])
            .map(|one| (true, one))
            .chain(list(&spec["containers"]).map(|one| (false, one)))
        {
            let Some(ready) = self.ready(container) else {
                return self.end("Failed");
            };
            let code = self.run(&ready, container, is_init);
            if code != Some(0) {
                return self.end("Failed");
            }
        }
        self.end("Succeeded");
    }

    /// The container when it can be started; none if that does not come.
    fn ready(&self, spec: &Value) -> Option<Container> {
        let mut shown: Option<(Trouble, usize)> = None;
        loop {
            let (found, seen) = {
                let state = self.shared.store.look();
                let seen = (state.trouble, state.secrets.len());
                (self.find(&state, spec), seen)
            };
            match found {
                Ok(container) => return Some(container),
                Err(waits) if shown != Some(seen) => self.show_waiting(spec, &waits),
                Err(_) => {}
            }
            shown = Some(seen);
            match self.next(None, shown) {
                Event::Changed => {}
                Event::Exit(_) => unreachable!("nothing runs"),
                Event::Deadline(of_job) => {
                    self.deadline(of_job);
                    return None;
                }
                Event::Stop(_) => return None,
            }
        }
    }

    fn find(&self, state: &State, spec: &Value) -> Result<Container, Waits> {
        match state.trouble {
            Trouble::None => self.shared.node.prepare(state, &self.pod, spec),
            Trouble::Unschedulable => Err((
                "Unschedulable",
                "0/1 nodes are available: 1 Insufficient cpu.".into(),
            )),
            Trouble::NoImage => {
                let image = text(&spec["image"]);
                Err((
                    "ImagePullBackOff",
                    format!("Back-off pulling image {image:?}"),
                ))
            }
        }
    }

    fn show_waiting(&self, spec: &Value, (reason, message): &Waits) {
        self.shared.with(|state| {
            if *reason == "Unschedulable" {
                state.change(self.key, |pod| {
                    set_condition(pod, "PodScheduled", "False", reason, message);
                });
                return state.tell(self.key, "FailedScheduling", message);
            }
            let is_mount = *reason == "ContainerCreating";
            let shown = if is_mount { "" } else { message };
            let waiting = json!({"waiting": {"reason": reason, "message": shown}});
            state.change(self.key, |pod| {
                scheduled(pod);
                set_state(pod, "containerStatuses", spec, waiting);
            });
            let reason = if is_mount { "FailedMount" } else { "Failed" };
            state.tell(self.key, reason, message);
        });
    }

    /// Runs a container; its exit code, none if it was ended for another reason.
    fn run(&self, container: &Container, spec: &Value, is_init: bool) -> Option<i32> {
        let statuses = match is_init {
            true => "initContainerStatuses",
            false => "containerStatuses",
        };
        let began = now();
        let (from, output) = std::io::pipe().expect("a pipe");
        let terminated = |code: i32, reason: &str, message: &str| {
            json!({"terminated": {
                "exitCode": code, "reason": reason, "message": message,
                "startedAt": began, "finishedAt": now(),
            }})
        };
        let mut child = match container.start(output) {
            Ok(child) => child,
            Err(message) => {
                let end = terminated(128, "StartError", &message);
                self.set(statuses, spec, end);
                return Some(128);
            }
        };
        let pid = child.id();
        self.set(statuses, spec, json!({"running": {"startedAt": began}}));
        let shared = Arc::clone(self.shared);
        let log = (self.uid.clone(), text(&spec["name"]));
        let reader = std::thread::spawn(move || copy(&shared, &log, from));
        let shared = Arc::clone(self.shared);
        std::thread::spawn(move || {
            let status = child.wait().expect("waiting for a process");
            let code = status.code();
            let code = code.unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            shared.with(|state| state.exits.insert(pid, code));
        });
        let (code, by_itself) = self.wait(pid);
        self.shared.node.kill(&self.shared.node.mark(&self.pod));
        reader.join().expect("the log");
        let blamed = self.shared.store.look().blamed.get(&self.uid).copied();
        let reason = match (blamed, code) {
            (Some("OOMKilled"), _) => "OOMKilled",
            (_, 0) => "Completed",
            _ => "Error",
        };
        let last_words = spec["terminationMessagePath"].as_str();
        let last_words = last_words.and_then(|path| std::fs::read_to_string(path).ok());
        self.set(
            statuses,
            spec,
            terminated(code, reason, &last_words.unwrap_or_default()),
        );
        (by_itself && blamed != Some("Evicted")).then_some(code)
    }

    /// Waits for a process, which is ended when its time has come; whether it ended by itself.
    fn wait(&self, pid: u32) -> (i32, bool) {
        match self.next(Some(pid), None) {
            Event::Exit(code) => return (code, true),
            Event::Changed => unreachable!("nothing was shown"),
            Event::Stop(grace) => self.ask_to_end(pid, grace),
            Event::Deadline(of_job) => {
                self.deadline(of_job);
                let grace = self.pod["spec"]["terminationGracePeriodSeconds"].as_u64();
                self.ask_to_end(pid, Duration::from_secs(grace.unwrap_or(30)));
            }
        }
        let code = self
            .shared
            .store
            .wait(None, |state| state.exits.remove(&pid));
        (code.expect("its end"), false)
    }

    /// The main process is asked to end, and everything is ended when that was in vain.
    fn ask_to_end(&self, pid: u32, grace: Duration) {
        crate::support::kill(pid, Signal::TERM);
        let until = Instant::now() + grace;
        let ended = self.shared.store.wait(Some(until), |state| {
            let gone = !state.objects.contains_key(self.key);
            (state.over || gone || state.exits.contains_key(&pid))
                .then(|| state.exits.contains_key(&pid))
        });
        if ended != Some(true) {
            self.shared.node.kill(&self.shared.node.mark(&self.pod));
        }
    }

    /// The next thing that happens to it.
    fn next(&self, pid: Option<u32>, shown: Option<(Trouble, usize)>) -> Event {
        let until = self.deadlines.iter().flatten().min().copied();
        let event = self.shared.store.wait(until, |state| {
            if let Some(code) = pid.and_then(|pid| state.exits.remove(&pid)) {
                return Some(Event::Exit(code));
            }
            let Some(pod) = state.objects.get(self.key).filter(|_| !state.over) else {
                return Some(Event::Stop(Duration::ZERO));
            };
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
                return Some(Event::Stop(Duration::from_secs(grace.unwrap_or(30))));
            }
            shown
                .is_some_and(|shown| shown != (state.trouble, state.secrets.len()))
                .then_some(Event::Changed)
        });
        event.unwrap_or_else(|| Event::Deadline(self.deadlines[0] == until))
    }

    fn deadline(&self, of_job: bool) {
        self.shared.with(|state| match of_job {
            true => {
                let owner = text(&self.pod["metadata"]["ownerReferences"][0]["name"]);
                time_is_over(state, &(Kind::Job, self.key.1.clone(), owner));
            }
            false => state.change(self.key, |pod| {
                let message = "Pod was active on the node longer than the specified deadline";
                pod["status"]["reason"] = json!("DeadlineExceeded");
                pod["status"]["message"] = json!(message);
            }),
        });
    }

    fn set(&self, statuses: &str, spec: &Value, value: Value) {
        self.shared.with(|state| {
            state.change(self.key, |pod| {
                scheduled(pod);
                let runs = statuses == "containerStatuses" && value["running"].is_object();
                if runs {
                    pod["status"]["phase"] = json!("Running");
                }
                let ready = if runs { "True" } else { "False" };
                set_condition(pod, "Ready", ready, "", "");
                set_state(pod, statuses, spec, value);
            });
        });
    }

    fn end(&self, phase: &str) {
        self.shared.with(|state| {
            for container in list(&self.pod["spec"]["containers"]) {
                let log = (self.uid.clone(), text(&container["name"]));
                state.logs.entry(log).or_default().ended = true;
            }
            let blamed = state.blamed.remove(&self.uid);
            state.change(self.key, |pod| {
                if is_over(pod) {
                    return;
                }
                pod["status"]["phase"] = json!(phase);
                if blamed == Some("Evicted") {
                    pod["status"]["reason"] = json!("Evicted");
                    pod["status"]["message"] = json!("The node was low on resource: memory.");
                }
            });
        });
    }
}

fn scheduled(pod: &mut Value) {
    set_condition(pod, "PodScheduled", "True", "", "");
    pod["spec"]["nodeName"] = json!("node-1");
    if pod["status"]["startTime"].is_null() {
        pod["status"]["startTime"] = json!(now());
    }
}

/// Sets the state of one container.
fn set_state(pod: &mut Value, statuses: &str, spec: &Value, value: Value) {
    let status = json!({
        "name": spec["name"], "image": spec["image"], "imageID": "", "restartCount": 0,
        "ready": value["running"].is_object(), "started": value["running"].is_object(),
        "state": value, "lastState": {},
    });
    if !pod["status"][statuses].is_array() {
        pod["status"][statuses] = json!([]);
    }
    let all = pod["status"][statuses].as_array_mut().expect("statuses");
    match all.iter_mut().find(|one| one["name"] == spec["name"]) {
        Some(one) => *one = status,
        None => all.push(status),
    }
}

/// Keeps what a container prints.
fn copy(shared: &Shared, log: &(String, String), mut from: impl Read) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut bytes) {
        shared.store.with(|state| {
            let log = state.logs.entry(log.clone()).or_default();
            log.add(&bytes[..count]);
            log.ended = count == 0;
        });
        if count == 0 {
            break;
        }
    }
}
