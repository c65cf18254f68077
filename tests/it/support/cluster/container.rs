//! A container's process: what a manifest says of it, made ready on this machine. Its file system is that
//! of the machine: directories of the host are where they are, and what else is mounted comes by mounts of
//! the process's own.

use super::expand::expanded;
use super::store::State;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// By this variable a container's processes are known, wherever they have gone.
const MARK: &str = "CLUSTER_POD";

/// What images and nodes have, for all containers.
#[derive(Debug, Clone)]
pub struct Node {
    /// The test's own directory.
    pub root: PathBuf,
    /// What is in every container's environment.
    pub env: BTreeMap<String, String>,
    /// Part of the mark: no other cluster has it.
    pub id: String,
}

/// Why a container does not start yet: the reason and the message of its state.
pub type Waits = (&'static str, String);

/// A container that can be started.
pub struct Container {
    command: Vec<String>,
    env: BTreeMap<String, String>,
    dir: PathBuf,
    user: Option<(u32, u32)>,
    /// Directories that are elsewhere for it: what it sees where.
    elsewhere: Vec<(PathBuf, PathBuf)>,
}

/// Gives a process directories where there are none, below one that there is; then it becomes its command.
const ELSEWHERE: &str = r#"while [ "$1" != -- ]; do
    top=${2#/}; top=/${top%%/*}
    case "$done" in *" $top "*) ;; *) mount -t tmpfs none "$top" || exit 128; done="$done $top ";; esac
    mkdir -p "$2" && cp -R "$1/." "$2" || exit 128
    shift 2
done
shift
exec "$@"
"#;

/// Whether processes can have mounts of their own here.
pub fn mounts_anywhere() -> bool {
    let (program, words) = own_mounts();
    let mut command = Command::new(program);
    let ended = command
        .args(words)
        .args(["mount", "-t", "tmpfs", "none", "/run"]);
    ended.output().is_ok_and(|out| out.status.success())
}

fn own_mounts() -> (&'static str, Vec<&'static str>) {
    let mut words = vec!["--mount"];
    if !crate::support::is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    ("unshare", words)
}

impl Node {
    /// Makes a container of a pod ready.
    pub fn prepare(&self, state: &State, pod: &Value, spec: &Value) -> Result<Container, Waits> {
        let mut env = self.env.clone();
        env.insert("HOSTNAME".into(), text(&pod["metadata"]["name"]));
        env.insert(MARK.into(), self.mark(pod));
        variables(state, pod, spec, &mut env)?;
        let mut elsewhere = Vec::new();
        for mount in list(&spec["volumeMounts"]) {
            elsewhere.extend(self.mount(state, pod, mount)?);
        }
        let words = list(&spec["command"]).chain(list(&spec["args"]));
        let known = |name: &str| env.get(name).cloned();
        let command = words.map(|word| expanded(&text(word), known)).collect();
        let dir = match spec["workingDir"].as_str() {
            Some(dir) => PathBuf::from(dir),
            None => self.root.clone(),
        };
        if !dir.exists() && dir.starts_with(&self.root) {
            let _ = std::fs::create_dir_all(&dir);
        }
        let user = user(pod, spec)?;
        Ok(Container {
            command,
            env,
            dir,
            user,
            elsewhere,
        })
    }

    /// What a pod's processes have in their environment.
    pub fn mark(&self, pod: &Value) -> String {
        format!("{}/{}", self.id, text(&pod["metadata"]["uid"]))
    }

    /// Ends whatever still runs with this mark.
    pub fn kill(&self, mark: &str) {
        let wanted = format!("{MARK}={mark}");
        loop {
            let found = std::fs::read_dir("/proc").expect("/proc").flatten();
            let pids = found.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            let own = pids.filter(|pid: &u32| {
                let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let mut env = env.split(|byte| *byte == 0);
                env.any(|one| one == wanted.as_bytes()) && crate::support::alive(*pid)
            });
            let own: Vec<u32> = own.collect();
            if own.is_empty() {
                return;
            }
            for pid in own {
                crate::support::kill(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Takes away what a pod leaves that a real one would have had for itself: its directories, and what
    /// it has named like its Job below `/tmp`.
    pub fn tidy(&self, pod: &Value) {
        let _ = std::fs::remove_dir_all(self.own(pod));
        let job = text(&pod["metadata"]["labels"]["job-name"]);
        let _ = std::fs::remove_dir_all(Path::new("/tmp").join(&job));
        let _ = std::fs::remove_file(format!("/tmp/{job}.end"));
    }

    /// The place for a pod's own directories.
    fn own(&self, pod: &Value) -> PathBuf {
        self.root.join("pods").join(text(&pod["metadata"]["uid"]))
    }

    /// Makes a mount ready: what is to be seen where, if that is not at its own place.
    fn mount(
        &self,
        state: &State,
        pod: &Value,
        mount: &Value,
    ) -> Result<Option<(PathBuf, PathBuf)>, Waits> {
        let refused = |why: String| Err(("ContainerCreating", why));
        let at = PathBuf::from(text(&mount["mountPath"]));
        let Some(volume) = volume(pod, mount) else {
            return refused(format!("no volume {}", mount["name"]));
        };
        if let Some(path) = volume["hostPath"]["path"].as_str() {
            return match at == Path::new(path) {
                true => host_path(&at, &volume["hostPath"]).map(|()| None),
                false => refused(format!("{path} can be mounted only there, not at {at:?}")),
            };
        }
        let own = self.own(pod).join(text(&mount["name"]));
        if let Err(error) = std::fs::create_dir_all(&own) {
            return refused(error.to_string());
        }
        match volume["secret"]["secretName"].as_str() {
            Some(name) => write_secret(state, pod, name, &volume["secret"], &own)?,
            None if volume["emptyDir"].is_object() => {}
            None => return refused(format!("this cluster has no such volumes: {volume}")),
        }
        Ok(Some((own, at)))
    }
}

impl Container {
    /// Starts it, its output going there; why not, if it can't be.
    pub fn start(&self, output: std::io::PipeWriter) -> Result<std::process::Child, String> {
        let name = self.command.first().cloned().unwrap_or_default();
        let failed = |why: &str| {
            format!(
                "failed to create containerd task: failed to create shim task: OCI runtime create \
                 failed: runc create failed: unable to start container process: error during \
                 container init: exec: {name:?}: {why}: unknown"
            )
        };
        let path = self.env.get("PATH").map_or("", String::as_str);
        let program = match name.contains('/') {
            true => Some(self.dir.join(&name)),
            false => std::env::split_paths(path)
                .map(|dir| dir.join(&name))
                .find(|file| file.is_file()),
        };
        let program = program.ok_or_else(|| failed("executable file not found in $PATH"))?;
        let errors = output
            .try_clone()
            .map_err(|error| failed(&error.to_string()))?;
        let mut command = match self.elsewhere.is_empty() {
            true => Command::new(&program),
            false => self.with_mounts(&program),
        };
        command
            .args(&self.command[1..])
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.spawn().map_err(|error| failed(&error.to_string()))
    }

    fn with_mounts(&self, program: &Path) -> Command {
        let (unshare, words) = own_mounts();
        let mut command = Command::new(unshare);
        command.args(words).args(["sh", "-c", ELSEWHERE, "sh"]);
        for (own, at) in &self.elsewhere {
            command.args([own, at]);
        }
        command.arg("--").arg(program);
        command
    }
}

/// Adds what a container's environment gets from its manifest.
fn variables(
    state: &State,
    pod: &Value,
    spec: &Value,
    env: &mut BTreeMap<String, String>,
) -> Result<(), Waits> {
    for source in list(&spec["envFrom"]) {
        let from = &source["secretRef"];
        let prefix = text(&source["prefix"]);
        let found = secret(state, pod, &text(&from["name"]), from)?;
        env.extend(
            found
                .into_iter()
                .map(|(key, value)| (prefix.clone() + &key, value)),
        );
    }
    for variable in list(&spec["env"]) {
        let name = text(&variable["name"]);
        let from = &variable["valueFrom"];
        if from.is_null() {
            let known = |name: &str| env.get(name).cloned();
            let value = expanded(&text(&variable["value"]), known);
            env.insert(name, value);
        } else if from["secretKeyRef"].is_object() {
            let key = text(&from["secretKeyRef"]["key"]);
            let of = text(&from["secretKeyRef"]["name"]);
            let found = secret(state, pod, &of, &from["secretKeyRef"])?;
            match found.get(&key) {
                Some(value) => drop(env.insert(name, value.clone())),
                None if from["secretKeyRef"]["optional"] == true => {}
                None => return Err(config(format!("couldn't find key {key} in Secret {of}"))),
            }
        } else if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
            let pointer = format!("/{}", path.replace('.', "/"));
            env.insert(name, text(pod.pointer(&pointer).unwrap_or(&Value::Null)));
        } else {
            return Err(config(format!("this cluster knows no {from}")));
        }
    }
    Ok(())
}

fn config(message: String) -> Waits {
    ("CreateContainerConfigError", message)
}

fn secret(
    state: &State,
    pod: &Value,
    name: &str,
    reference: &Value,
) -> Result<BTreeMap<String, String>, Waits> {
    let key = (text(&pod["metadata"]["namespace"]), name.to_owned());
    match state.secrets.get(&key) {
        Some(found) => Ok(found.clone()),
        None if reference["optional"] == true => Ok(BTreeMap::new()),
        None => Err(config(format!("secret {name:?} not found"))),
    }
}

fn write_secret(
    state: &State,
    pod: &Value,
    name: &str,
    volume: &Value,
    at: &Path,
) -> Result<(), Waits> {
    let refused = |why: String| ("ContainerCreating", why);
    let found = secret(state, pod, name, volume).map_err(|(_, why)| {
        refused(format!(
            "MountVolume.SetUp failed for volume {name:?}: {why}"
        ))
    })?;
    std::fs::create_dir_all(at).map_err(|error| refused(error.to_string()))?;
    for (key, value) in found {
        let items: Vec<&Value> = list(&volume["items"]).collect();
        let item = items.iter().find(|item| item["key"] == key.as_str());
        let file = match item {
            Some(item) => at.join(text(&item["path"])),
            None if items.is_empty() => at.join(&key),
            None => continue,
        };
        std::fs::write(file, value).map_err(|error| refused(error.to_string()))?;
    }
    Ok(())
}

fn host_path(at: &Path, volume: &Value) -> Result<(), Waits> {
    let refused = |why: &str| {
        let why = format!("MountVolume.SetUp failed: hostPath type check failed: {at:?} {why}");
        Err(("ContainerCreating", why))
    };
    match volume["type"].as_str().unwrap_or_default() {
        "DirectoryOrCreate" => {
            let _ = std::fs::create_dir_all(at);
            Ok(())
        }
        "Directory" if !at.is_dir() => refused("is not a directory"),
        "File" if !at.is_file() => refused("is not a file"),
        _ if !at.exists() => refused("is not there"),
        _ => Ok(()),
    }
}

/// Whom it runs as, if that is somebody else; only root can become that.
fn user(pod: &Value, spec: &Value) -> Result<Option<(u32, u32)>, Waits> {
    let of = |field: &str| {
        let own = spec["securityContext"][field].as_u64();
        own.or_else(|| pod["spec"]["securityContext"][field].as_u64())
    };
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let user = of("runAsUser").unwrap_or(uid.as_raw().into()) as u32;
    let group = of("runAsGroup").unwrap_or(gid.as_raw().into()) as u32;
    if (user, group) == (uid.as_raw(), gid.as_raw()) {
        return Ok(None);
    }
    match uid.is_root() {
        true => Ok(Some((user, group))),
        false => Err(config(format!(
            "this cluster can't run anything as {user}:{group}"
        ))),
    }
}

fn volume<'a>(pod: &'a Value, mount: &Value) -> Option<&'a Value> {
    list(&pod["spec"]["volumes"]).find(|volume| volume["name"] == mount["name"])
}

/// The elements of a list; none if it is none.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
