//! A real docker daemon: the one that the environment names, or one of a test's own.

use super::helper::until;
use super::{in_path, is_root, say};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use tempfile::TempDir;

/// Names the daemon for all tests.
const VARIABLE: &str = "REPO_POOL_TEST_DOCKER";
/// The image that tests run: busybox and git.
pub const IMAGE: &str = "repo-pool-test:1";

/// What goes into the image: static programs, and one with its libraries.
const IMPORT: &str = r#"
set -e
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir -p root/bin root/etc root/tmp root/proc root/usr/bin
chmod 1777 root/tmp
cp "$(command -v busybox)" root/bin/busybox
for name in cat chmod echo env false grep head id kill ls mkdir rm sh sleep tail test touch true; do
    ln -s busybox "root/bin/$name"
done
git=$(command -v git)
cp -L "$git" root/usr/bin/git
for library in $(ldd "$git" | grep -o '/[^ ]*'); do
    mkdir -p "root${library%/*}"
    cp -L "$library" "root$library"
done
tar -C root -c . | docker import - "$IMAGE"
"#;

/// A daemon.
pub struct Docker {
    host: String,
    own: Option<Own>,
}

struct Own {
    dir: TempDir,
    child: Child,
}

impl Docker {
    /// The daemon that the environment names, with the image; none where it names none, which is said.
    pub fn of_all() -> Option<Self> {
        let host = std::env::var(VARIABLE).unwrap_or_default();
        if host.is_empty() {
            say(&format!("skipped: {VARIABLE} names no docker daemon"));
            return None;
        }
        let docker = Self { host, own: None };
        docker.import();
        Some(docker)
    }

    /// One of this test's own, which may be stopped and killed; none for who may not have one.
    pub fn own() -> Option<Self> {
        if std::env::var(VARIABLE).unwrap_or_default().is_empty()
            || !is_root()
            || !in_path("dockerd")
        {
            say("skipped: a daemon of its own needs root, dockerd, and a machine where one runs");
            return None;
        }
        let dir = tempfile::Builder::new()
            .prefix("repo-pool-it-docker-")
            .tempdir();
        let dir = dir.expect("a directory");
        let docker = Self {
            host: format!("unix://{}/sock", dir.path().display()),
            own: Some(Own {
                child: start(&dir.path().display().to_string()),
                dir,
            }),
        };
        docker.await_answer();
        docker.import();
        Some(docker)
    }

    /// Where it is.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The table of an agent pool `box` on it, with more lines.
    pub fn agent_pool(&self, more: &str) -> String {
        format!(
            "[agent_pools.box]\ntype = \"docker\"\nimage = {IMAGE:?}\nhost = {:?}\n\
             network = \"none\"\npull = \"never\"\nmax_concurrency = 4\n{more}\n",
            self.host
        )
    }

    /// What docker prints; nothing if it fails.
    pub fn ask(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new("docker");
        command
            .args(words)
            .env("DOCKER_HOST", &self.host)
            .stdin(Stdio::null());
        let output = command.output().expect("docker");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// The containers that have this label.
    pub fn with_label(&self, label: &str) -> Vec<String> {
        let filter = format!("label={label}");
        let names = self.ask(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
        names
            .expect("an answer")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn import(&self) {
        static IMPORTED: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let mut imported = IMPORTED.lock().expect("the list");
        if imported.contains(&self.host) {
            return;
        }
        if self.ask(&["image", "inspect", IMAGE]).is_none() {
            let mut command = Command::new("sh");
            command
                .args(["-c", IMPORT])
                .env("IMAGE", IMAGE)
                .env("DOCKER_HOST", &self.host);
            assert!(command.status().expect("a shell").success(), "no image");
        }
        imported.push(self.host.clone());
    }

    #[track_caller]
    fn await_answer(&self) {
        until("the daemon answers", || self.ask(&["version"]));
    }

    /// Sends a daemon of its own a signal.
    pub fn signal(&self, signal: Signal) {
        let own = self.own.as_ref().expect("a daemon of its own");
        kill_process(Pid::from_child(&own.child), signal).expect("a signal");
    }

    /// Kills it, and starts it again.
    pub fn restart(&mut self) {
        self.signal(Signal::KILL);
        let own = self.own.as_mut().expect("a daemon of its own");
        own.child.wait().expect("its end");
        let dir = own.dir.path();
        // It would take what has those numbers now for the daemons of before.
        for file in ["pid", "exec/containerd/containerd.pid"] {
            std::fs::remove_file(dir.join(file)).expect("its pid file");
        }
        own.child = start(&dir.display().to_string());
        self.await_answer();
    }
}

fn start(dir: &str) -> Child {
    let log: PathBuf = format!("{dir}/log").into();
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log);
    let log = log.expect("a log");
    Command::new("dockerd")
        .args([
            "--data-root",
            &format!("{dir}/data"),
            "--exec-root",
            &format!("{dir}/exec"),
        ])
        .args([
            "--pidfile",
            &format!("{dir}/pid"),
            "-H",
            &format!("unix://{dir}/sock"),
        ])
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
        .arg("--storage-driver=overlay2")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("dockerd")
}

/// Its containers end with a daemon of its own.
impl Drop for Docker {
    fn drop(&mut self) {
        if self.own.is_none() {
            return;
        }
        self.signal(Signal::CONT);
        if let Some(all) = self.ask(&["ps", "--all", "--quiet"]) {
            let all: Vec<&str> = all.lines().collect();
            self.ask(&[&["rm", "--force"][..], &all].concat());
        }
        self.signal(Signal::TERM);
        if let Some(own) = &mut self.own {
            let _ = own.child.wait();
            // One that was killed leaves its directory mounted.
            let mut unmount = Command::new("umount");
            unmount
                .args(["--quiet", "--lazy"])
                .arg(own.dir.path().join("data"));
            let _ = unmount.stderr(Stdio::null()).status();
        }
    }
}
