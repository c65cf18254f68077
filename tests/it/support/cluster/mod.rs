//! A small Kubernetes cluster: an API server on a port of this machine that `kubectl` talks to as to any
//! other, and a node that runs the containers' commands as processes of this machine.
//!
//! From the top: what tests ask for (here), the port (`server`, `http`), what requests do (`api`, `streams`,
//! `discovery`), what is refused (`rules`, `shape`), the controller of Jobs (`jobs`), the node (`kubelet`,
//! `container`), the objects (`store`). `faults` is what goes wrong at the port; what goes wrong with pods is
//! here. What it does not have: images, networks, users, file systems of containers. A process that is asked
//! to end ends, where the first one of a real container would have to see to that itself.

mod api;
mod container;
mod discovery;
mod expand;
mod faults;
mod http;
mod jobs;
mod kubelet;
mod rules;
mod select;
mod server;
mod shape;
mod store;
mod streams;

use super::{Call, World};
use container::{Node, text};
use serde_json::Value;
use server::Server;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use store::{Key, Kind, State, Store, is_over, set_condition};

pub use faults::Fault;
pub use store::Trouble;

/// The namespace that there always is.
pub const NAMESPACE: &str = "agents";

/// A cluster; it ends, with all that runs in it, when this goes.
pub struct Cluster {
    shared: Arc<Shared>,
    server: Server,
    kubeconfig: PathBuf,
}

/// What the parts of a cluster share.
struct Shared {
    store: Store,
    faults: faults::Faults,
    node: Node,
    requests: Mutex<Vec<String>>,
    manifests: Mutex<Vec<Value>>,
    pods: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    /// Changes the state; controllers act upon it, and new pods are looked after.
    fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let (answer, new) = self.store.with(|state| {
            let answer = change(state);
            jobs::note_failures(state);
            jobs::settle(state);
            (answer, std::mem::take(&mut state.new_pods))
        });
        for key in new {
            let shared = Arc::clone(self);
            let pod = std::thread::spawn(move || kubelet::look_after(&shared, &key));
            self.pods.lock().expect("the pods").push(pod);
        }
        answer
    }

    fn note(&self, request: &http::Request) {
        let mut all = self.requests.lock().expect("the requests");
        all.push(request.line());
    }

    fn note_manifest(&self, job: &Value) {
        self.manifests
            .lock()
            .expect("the manifests")
            .push(job.clone());
    }
}

impl Cluster {
    /// A cluster that the user of this world reaches by `kubectl`.
    pub fn new(world: &World) -> Self {
        let mut server = Server::new();
        let path = world.shell("sh");
        let path = path.get_envs().find(|(name, _)| *name == "PATH");
        let path = path.and_then(|(_, path)| path).expect("a PATH");
        let env = [
            ("PATH", path.to_string_lossy().into_owned()),
            ("HOME", world.home().display().to_string()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            // Images know who commits, whatever home a container has.
            (
                "GIT_CONFIG_GLOBAL",
                world.home().join(".gitconfig").display().to_string(),
            ),
        ];
        let node = Node {
            root: world.path("").components().collect(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            id: server.port.to_string(),
        };
        let shared = Arc::new(Shared {
            store: Store::default(),
            faults: faults::Faults::default(),
            node,
            requests: Mutex::default(),
            manifests: Mutex::default(),
            pods: Mutex::default(),
        });
        let kubeconfig = world.home().join(".kube/config");
        std::fs::create_dir_all(kubeconfig.parent().expect("a parent")).expect("a directory");
        let port = server.port;
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: tester, namespace: {NAMESPACE}}}}}]\n\
             users: [{{name: tester, user: {{}}}}]\n"
        );
        std::fs::write(&kubeconfig, config).expect("a configuration");
        server.start(&shared);
        shared.with(|state| state.namespaces.insert(NAMESPACE.to_owned()));
        Self {
            shared,
            server,
            kubeconfig,
        }
    }

    /// Whether there is a `kubectl`; without it these tests are left out.
    pub fn has_client() -> bool {
        let found = super::in_path("kubectl");
        if !found {
            super::say("kubectl is not installed");
        }
        found
    }

    /// Whether pods can have what is mounted elsewhere than on the machine.
    pub fn mounts_anywhere() -> bool {
        container::mounts_anywhere()
    }

    /// Runs `kubectl`.
    #[track_caller]
    pub fn kubectl(&self, world: &World, words: &str) -> Call {
        let mut command = world.command("kubectl");
        command.args(words.split_whitespace());
        Call::new(command).env("KUBECONFIG", &self.kubeconfig)
    }

    /// A secret with one value.
    pub fn secret(&self, name: &str, key: &str, value: &str) {
        let name = (NAMESPACE.to_owned(), name.to_owned());
        self.shared.with(|state| {
            let all = state.secrets.entry(name).or_default();
            all.insert(key.to_owned(), value.to_owned());
        });
    }

    /// Nothing is allowed in a namespace.
    pub fn forbid(&self, namespace: &str) {
        self.shared
            .with(|state| state.forbidden.insert(namespace.to_owned()));
    }

    /// What keeps pods from starting, those that wait already too.
    pub fn trouble(&self, trouble: Trouble) {
        self.shared.with(|state| state.trouble = trouble);
    }

    /// Something is wrong with so many requests of this method and path, such as `"POST jobs"`.
    pub fn fault(&self, what: &str, fault: Fault, times: usize) {
        self.shared.faults.add(what, fault, times);
    }

    /// Nothing is wrong with requests any more; those that were held go on.
    pub fn calm(&self) {
        self.shared.faults.lift();
    }

    /// For how many requests more something is wrong.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.left()
    }

    /// How many requests are held.
    pub fn holds(&self) -> usize {
        self.shared.faults.holds()
    }

    /// Nobody answers any more; what runs goes on.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// The server answers again.
    pub fn start(&mut self) {
        self.server.start(&self.shared);
    }

    /// Every request so far, as `GET /api/v1/…`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().expect("the requests").clone()
    }

    /// Every manifest that was taken, as it came.
    pub fn manifests(&self) -> Vec<Value> {
        self.shared.manifests.lock().expect("the manifests").clone()
    }

    /// All Jobs.
    pub fn jobs(&self) -> Vec<Value> {
        self.objects(Kind::Job)
    }

    /// All pods.
    pub fn pods(&self) -> Vec<Value> {
        self.objects(Kind::Pod)
    }

    fn objects(&self, kind: Kind) -> Vec<Value> {
        let state = self.shared.store.look();
        state
            .of(kind, "")
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Waits until so many pods run.
    #[track_caller]
    pub fn until_running(&self, wanted: usize) {
        super::until(&format!("{wanted} pods run"), || {
            let pods = self.pods();
            let running = pods
                .iter()
                .filter(|pod| pod["status"]["phase"] == "Running");
            (running.count() == wanted).then_some(())
        });
    }

    /// The pod's memory is used up.
    #[track_caller]
    pub fn out_of_memory(&self) {
        self.end_pod("OOMKilled", |_| ());
    }

    /// The node puts the pod out for want of memory; its object stays.
    #[track_caller]
    pub fn evict(&self) {
        self.end_pod("Evicted", |pod| {
            let message = "The node was low on resource: memory.";
            set_condition(
                pod,
                "DisruptionTarget",
                "True",
                "TerminationByKubelet",
                message,
            );
        });
    }

    /// The pod's node is to be emptied: the pod goes.
    #[track_caller]
    pub fn drain(&self) {
        let key = self.pod();
        self.shared.with(|state| {
            state.change(&key, |pod| {
                let message = "Eviction API: evicting";
                set_condition(
                    pod,
                    "DisruptionTarget",
                    "True",
                    "EvictionByEvictionAPI",
                    message,
                );
            });
            jobs::delete_pod(state, &key, None);
        });
    }

    #[track_caller]
    fn end_pod(&self, blamed: &'static str, change: impl FnOnce(&mut Value)) {
        let key = self.pod();
        let pod = self.shared.with(|state| {
            state.change(&key, change);
            let pod = state.objects[&key].clone();
            state.blamed.insert(text(&pod["metadata"]["uid"]), blamed);
            pod
        });
        self.shared.node.kill(&self.shared.node.mark(&pod));
    }

    /// The one pod that runs.
    #[track_caller]
    fn pod(&self) -> Key {
        self.until_running(1);
        let state = self.shared.store.look();
        let mut pods = state.of(Kind::Pod, "").filter(|(_, pod)| !is_over(pod));
        pods.next().expect("a pod").0.clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.faults.end();
        self.shared.store.with(|state| state.over = true);
        self.server.stop();
        let pods = std::mem::take(&mut *self.shared.pods.lock().expect("the pods"));
        for pod in pods {
            let _ = pod.join();
        }
    }
}
