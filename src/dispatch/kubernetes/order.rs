//! What an attempt's Job has to be, from what the dispatcher knows of the attempt.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::dispatch::launcher::Job;
use crate::domain::dispatch::agents::{Kubernetes, Transport};
use crate::domain::dispatch::kubernetes::manifest::{self, Order};
use crate::domain::dispatch::kubernetes::script::{self, variables};
use crate::domain::dispatch::kubernetes::seen::CONTAINER;
use crate::domain::{Error, Result};
use crate::sys::fs;
use crate::sys::user;

/// The largest piece of a task's file that a variable holds.
const PIECE: usize = 64 * 1024;
/// The largest task's file that a Job can have: the cluster keeps it whole.
const LARGEST: usize = 512 * 1024;

/// The directory that is the home of whoever has none in the pod.
pub fn home(job: &Job) -> PathBuf {
    job.dir.join("home")
}

/// The Job.
pub fn manifest(job: &Job, settings: &Kubernetes, template: Value, id: &str) -> Result<Value> {
    let run = job.env.get("REPO_POOL_RUN_ID");
    let workdir = job.workdir.to_string_lossy();
    let words = format!("/tmp/{}.end", job.runner);
    let mut order = Order {
        runner: &job.runner,
        run: run.map_or("", String::as_str),
        attempt: Some(&job.attempt),
        id,
        env: job.env.clone(),
        timeout: job.timeout,
        cpu: job.cpu,
        memory: job.memory,
        ..Order::default()
    };
    if settings.transport == Transport::HostPath {
        order.program = job.command.clone();
        order.workdir = &workdir;
        order.mounts = mounts(job);
        let uid = user::effective_uid();
        order.user = Some((uid, user::effective_gid()));
        if has_no_home(uid, &template) {
            let home = home(job).to_string_lossy().into_owned();
            order.env.entry("HOME".to_owned()).or_insert(home);
        }
    } else {
        let script = match (&job.away, &settings.workspace) {
            (None, _) => script::bare(),
            (Some(_), Some(workspace)) if settings.transport == Transport::Node => {
                script::node(&workspace.to_string_lossy())
            }
            (Some(_), _) => script::clone(),
        };
        order.program = ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
        order.args = job.command.clone();
        order.last_words = &words;
        tell(job, &mut order, &words)?;
    }
    Ok(manifest::job(&order, settings, template))
}

/// Root has a home in every image; anybody else has at most one of the image's user's. A template may say
/// who it is instead, or where its home is.
fn has_no_home(uid: u32, template: &Value) -> bool {
    let pod = &template["spec"]["template"]["spec"];
    let named = |list: &Value, name: &str| {
        let mut all = list.as_array().into_iter().flatten();
        all.find(|entry| entry["name"] == name).cloned()
    };
    let container = named(&pod["containers"], CONTAINER).unwrap_or_default();
    let users = [pod, &container].map(|of| &of["securityContext"]["runAsUser"]);
    let has_home = named(&container["env"], "HOME").is_some();
    uid != 0 && !has_home && users.iter().all(|user| user.is_null())
}

/// What the script has to know.
fn tell(job: &Job, order: &mut Order<'_>, words: &str) -> Result<()> {
    let mut put = |name: &str, value: String| drop(order.env.insert(name.to_owned(), value));
    put(variables::HOME, format!("/tmp/{}", job.runner));
    put(variables::LAST_WORDS, words.to_owned());
    if let Some(away) = &job.away {
        put(variables::REMOTE, away.remote.clone());
        put(variables::KEEP, away.keep.clone());
    }
    if order.env.contains_key("TASK_CONTEXT") {
        return Ok(());
    }
    let bytes = fs::read_if_there(&job.dir.join("task.json"))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    if text.len() > LARGEST {
        return Err(Error::failed(format!(
            "what its file says of the task is {} bytes long, and a Job can have {LARGEST} of it",
            text.len()
        )));
    }
    for (n, piece) in pieces(&text, PIECE).into_iter().enumerate() {
        let name = format!("{}{}", variables::PIECE, n + 1);
        order.env.insert(name, piece.to_owned());
    }
    Ok(())
}

/// The text in pieces of at most so many bytes, each of whole characters.
fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(most);
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// The directories of this machine that it works with.
fn mounts(job: &Job) -> Vec<String> {
    let all = [&job.workdir]
        .into_iter()
        .chain(&job.shared)
        .chain([&job.dir]);
    let mut mounts: Vec<&Path> = Vec::new();
    for path in all {
        if !mounts.contains(&path.as_path()) {
            mounts.push(path);
        }
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    mounts.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_is_not_root_has_a_home() {
        let with = |pod: Value| json!({ "spec": { "template": { "spec": pod } } });
        assert!(!has_no_home(0, &Value::Null));
        assert!(has_no_home(1000, &Value::Null));
        let runner = |more: &str, value: Value| {
            with(json!({ "containers": [{ "name": "other" }, { "name": "runner", more: value }] }))
        };
        assert!(has_no_home(1000, &runner("env", json!([{ "name": "A" }]))));
        let homes = [
            runner("env", json!([{ "name": "HOME", "value": "/h" }])),
            runner("securityContext", json!({ "runAsUser": 7 })),
            with(json!({ "securityContext": { "runAsUser": 7 } })),
        ];
        assert!(homes.iter().all(|template| !has_no_home(1000, template)));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(pieces("aäöb", 3), ["aä", "öb"]);
        assert_eq!(pieces("", 3), [""; 0]);
        assert_eq!(pieces("ab", 3), ["ab"]);
    }
}
