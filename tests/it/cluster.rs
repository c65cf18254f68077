//! The cluster that the tests bring along is one for `kubectl`, which takes it as it takes any other.

use crate::support::cluster::{Cluster, Fault, Trouble};
use crate::support::{Out, World, say, until};
use serde_json::{Value, json};

/// A Job that runs this script.
fn job(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "labels": {"of": name}},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "none", "command": ["sh", "-c", script]}],
        }}},
    })
}

struct Scene {
    cluster: Cluster,
    world: World,
}

impl Scene {
    fn new() -> Option<Self> {
        Cluster::has_client().then(|| {
            let world = World::new();
            let cluster = Cluster::new(&world);
            Self { cluster, world }
        })
    }

    #[track_caller]
    fn ask(&self, words: &str) -> Out {
        self.cluster.kubectl(&self.world, words).run()
    }

    #[track_caller]
    fn create(&self, job: &Value, words: &str) -> Out {
        let words = format!("create -f - {words}");
        let call = self.cluster.kubectl(&self.world, &words);
        call.stdin(job.to_string().as_bytes()).run()
    }

    fn get(&self, what: &str) -> Value {
        let out = self.ask(&format!("get {what} -o json"));
        serde_json::from_str(&out.ok().stdout).expect("JSON")
    }

    #[track_caller]
    fn ended(&self, name: &str, condition: &str) {
        let words = format!("wait --for=condition={condition} job/{name} --timeout=60s");
        self.ask(&words).ok();
    }
}

/// From its creation to its end, as its users see it: status, output, exit code.
#[test]
fn a_job_runs_to_its_end() {
    let Some(scene) = Scene::new() else { return };
    let mut good = job(
        "good",
        "echo $GREETING '$(HOSTNAME)' $$$$ > /dev/null; echo to $GREETING; sleep 0",
    );
    let container = &mut good["spec"]["template"]["spec"]["containers"][0];
    container["env"] = json!([
        {"name": "GREETING", "value": "$(NAME)!"},
        {"name": "NAME", "valueFrom": {"secretKeyRef": {"name": "who", "key": "name"}}},
    ]);
    container["env"].as_array_mut().expect("a list").reverse();
    scene.cluster.secret("who", "name", "world");
    scene.create(&good, "--dry-run=server").ok();
    assert!(scene.cluster.jobs().is_empty());
    assert_eq!(scene.cluster.manifests()[0]["spec"]["backoffLimit"], 0);
    scene.create(&good, "").ok();
    scene.create(&good, "").code(1).says("AlreadyExists");
    scene.create(&job("bad", "echo bad; exit 7"), "").ok();
    scene.ended("good", "complete");
    scene.ended("bad", "failed");
    assert_eq!(scene.ask("logs job/good").ok().stdout, "to world!\n");
    let found = scene.get("jobs,pods -l of=bad");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    let pods = scene.get("pods -l batch.kubernetes.io/job-name=bad");
    let status = &pods["items"][0]["status"];
    let ended = &status["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (&status["phase"], &ended["exitCode"]),
        (&json!("Failed"), &json!(7))
    );
}

/// Secrets are files where they are mounted, and the last words of a container are with its end.
#[test]
fn a_pod_has_its_secrets_and_its_last_words() {
    let Some(scene) = Scene::new() else { return };
    let words = scene.world.path("words").display().to_string();
    let mut job = job("a", &format!("cat /run/own/who/name; echo bye > {words}"));
    let pod = &mut job["spec"]["template"]["spec"];
    pod["volumes"] = json!([{"name": "who", "secret": {"secretName": "who"}}]);
    let container = &mut pod["containers"][0];
    container["volumeMounts"] = json!([{"name": "who", "mountPath": "/run/own/who"}]);
    container["terminationMessagePath"] = json!(words);
    scene.create(&job, "").ok();
    until("it is told of what it lacks", || {
        let told = scene.get("events").to_string();
        told.contains("FailedMount").then_some(())
    });
    scene.cluster.secret("who", "name", "world");
    if !Cluster::mounts_anywhere() {
        return say("no process may have mounts of its own here");
    }
    scene.ended("a", "complete");
    assert_eq!(scene.ask("logs job/a").ok().stdout, "world");
    let status = scene.get("pods")["items"][0]["status"].clone();
    let end = &status["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(end["message"], "bye\n");
}

/// Output is followed while it comes, and a Job that is deleted takes its processes with it.
#[test]
fn what_runs_is_followed_and_deleted() {
    let Some(scene) = Scene::new() else { return };
    let script = "trap 'echo asked; exit 3' TERM; (setsid sleep 600 &); echo begun; \
        while :; do sleep 0.02; done";
    scene.create(&job("long", script), "").ok();
    scene.cluster.until_running(1);
    let logs = scene
        .cluster
        .kubectl(&scene.world, "logs -f job/long")
        .spawn();
    assert_eq!(logs.line(), "begun");
    scene.ask("delete job long --cascade=foreground").ok();
    assert_eq!(logs.finish().ok().stdout, "begun\nasked\n");
    assert!(scene.cluster.jobs().is_empty() && scene.cluster.pods().is_empty());
}

/// What an API server refuses, for its reasons.
#[test]
fn bad_jobs_are_refused() {
    let Some(scene) = Scene::new() else { return };
    let refused = |change: fn(&mut Value), why: &str| {
        let mut job = job("a", "true");
        change(&mut job);
        scene.create(&job, "").code(1).says(why);
    };
    refused(
        |job| job["spec"]["tempo"] = json!(1),
        "unknown field \"spec.tempo\"",
    );
    refused(
        |job| job["spec"]["backoffLimit"] = json!("1"),
        "cannot unmarshal",
    );
    refused(
        |job| job["metadata"]["name"] = json!("A_b"),
        "Invalid value",
    );
    refused(
        |job| job["metadata"]["labels"]["of"] = json!("a b"),
        "metadata.labels",
    );
    refused(
        |job| job["spec"]["template"]["spec"]["restartPolicy"] = json!("Always"),
        "restartPolicy: Unsupported value",
    );
    scene
        .create(&job("a", "true"), "-n nowhere")
        .code(1)
        .says("not found");
    scene.cluster.forbid("closed");
    scene
        .create(&job("a", "true"), "-n closed")
        .code(1)
        .says("Forbidden");
    let can = |namespace: &str| scene.ask(&format!("auth can-i create jobs.batch -n {namespace}"));
    assert_eq!(can("agents").ok().stdout, "yes\n");
    assert_eq!(can("closed").code(1).stdout, "no\n");
    assert!(scene.cluster.jobs().is_empty());
}

/// Pods that wait say why, and pods that are ended by others too.
#[test]
fn pods_have_their_troubles() {
    let Some(scene) = Scene::new() else { return };
    let status =
        |name: &str| scene.get(&format!("pods -l job-name={name}"))["items"][0]["status"].clone();
    scene.cluster.trouble(Trouble::Unschedulable);
    scene.create(&job("a", "sleep 600"), "").ok();
    let said = until("it waits", || {
        let said = status("a")["conditions"][0]["reason"].clone();
        said.is_string().then_some(said)
    });
    assert_eq!(said, "Unschedulable");
    scene.cluster.trouble(Trouble::NoImage);
    until("it still waits", || {
        let waits = status("a")["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
        (waits == "ImagePullBackOff").then_some(())
    });
    scene.cluster.trouble(Trouble::None);
    scene.cluster.out_of_memory();
    scene.ended("a", "failed");
    let ended = &status("a")["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["reason"], "OOMKilled");
    scene.create(&job("b", "sleep 600"), "").ok();
    scene.cluster.evict();
    scene.ended("b", "failed");
    assert_eq!(status("b")["reason"], "Evicted");
    scene.create(&job("d", "sleep 600"), "").ok();
    scene.cluster.drain();
    scene.ended("d", "failed");
    let mut late = job("c", "echo begun; exec sleep 600");
    late["spec"]["activeDeadlineSeconds"] = json!(1);
    scene.create(&late, "").ok();
    scene.ended("c", "failed");
    let reason = scene.get("job c")["status"]["conditions"][0]["reason"].clone();
    assert_eq!(reason, "DeadlineExceeded");
}

/// A server that is down, slow or ill, and one whose answer gets lost.
#[test]
fn a_server_has_its_troubles() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.cluster.fault("GET jobs", Fault::Status(503), 1000);
    scene.ask("get jobs").code(1).says("503");
    let asked = scene.cluster.requests();
    assert!(
        asked.iter().any(|line| line.ends_with("/jobs")),
        "{asked:?}"
    );
    scene.cluster.calm();
    scene.cluster.fault("POST jobs", Fault::LoseAnswer, 1);
    scene.create(&job("a", "true"), "").code(1);
    scene
        .create(&job("a", "true"), "")
        .code(1)
        .says("AlreadyExists");
    scene.cluster.stop();
    scene.ask("get jobs").code(1).says("refused");
    scene.cluster.start();
    scene.cluster.fault("GET jobs", Fault::Hold, 1);
    let held = scene.cluster.kubectl(&scene.world, "get jobs").spawn();
    until("it waits", || (scene.cluster.holds() == 1).then_some(()));
    scene.cluster.calm();
    held.finish().ok();
}
