//! What a runner is told: its variables, its task's file, its command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::slot::Held;
use super::{Plan, Site, Workshop, place};
use crate::dispatch::launcher::{Ground, Job};
use crate::domain::dispatch::Task;
use crate::domain::{Error, Result};
use crate::pool::variables;
use crate::sys::clock;
use crate::sys::fs::{self, Durability};

/// The variable that names the task's file: every process of an attempt has it.
pub const TASK_FILE: &str = "REPO_POOL_TASK_FILE";

/// A larger description of the task is in its file only: what the system takes has bounds.
const CONTEXT_MAX: usize = 96 * 1024;

/// The files of an attempt.
struct Files {
    dir: PathBuf,
}

impl Files {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// What a launcher needs. The attempt's directory and the task's file are made.
pub fn job(workshop: &Workshop<'_>, plan: &Plan, site: &Site<'_>, ground: Ground) -> Result<Job> {
    let held = site.held();
    let files = Files {
        dir: workshop.run.attempt(&plan.id.task, plan.id.attempt),
    };
    let runner = workshop.run.runner(&plan.id.task, plan.id.attempt);
    let seen = seen(&files, &runner, ground);
    let context = context(workshop, plan, site, &seen, &runner);
    if plan.begun.is_none() {
        fs::create_private_dir_all(&files.at("artifacts"))?;
        place::write(&files.dir, &plan.agent_pool)?;
        let text = serde_json::to_vec_pretty(&context)
            .map_err(|error| Error::failed(format!("cannot write the task's file: {error}")))?;
        fs::write_atomic(&files.at("task.json"), &text, Durability::RenameOnly)?;
    }
    let env = variables(workshop, plan, site, &runner, &seen, &context)?;
    let holder = held.and_then(|held| held.holder.as_ref());
    let holder = holder.map(|lock| lock.inheritable()).transpose();
    let task = &plan.task;
    Ok(Job {
        runner,
        attempt: plan.id.clone(),
        command: command(task, &env),
        workdir: held.map_or_else(|| plan.home.clone(), |held| held.path.clone()),
        slot: held.map(|held| held.slot.clone()),
        away: site.away().map(|elsewhere| elsewhere.files.clone()),
        shared: held.map(shared).transpose()?.unwrap_or_default(),
        env,
        timeout: task.timeout,
        stall: task.stall,
        heartbeat_timeout: workshop.rules.heartbeat_timeout,
        log_limit: workshop.rules.log_limit,
        cpu: task.cpu,
        memory: task.memory,
        holder: holder.map_err(|e| Error::io("copy the lock of", &files.dir, e))?,
        dir: files.dir,
    })
}

/// What a runner sees of its files.
struct Seen {
    files: Files,
    /// Its slot, where that is not here.
    slot: &'static str,
}

fn seen(files: &Files, runner: &str, ground: Ground) -> Seen {
    let (dir, slot) = match ground {
        Ground::Held | Ground::Lasting => (files.dir.clone(), ""),
        Ground::Clone => (Path::new("/tmp").join(runner), "slot"),
        // Which one it gets is not known before it has it: it begins there.
        Ground::Node => (Path::new("/tmp").join(runner), "."),
    };
    Seen {
        files: Files { dir },
        slot,
    }
}

impl Seen {
    fn slot(&self) -> String {
        match self.slot {
            "." => ".".to_owned(),
            slot => self.files.at(slot).to_string_lossy().into_owned(),
        }
    }
}

/// What git needs in a slot beside it.
fn shared(held: &Held<'_>) -> Result<Vec<PathBuf>> {
    let paths = &held.pool().paths;
    let mut shared = vec![paths.repository()];
    if fs::metadata_if_there(&paths.modules())?.is_some() {
        shared.push(paths.modules());
    }
    Ok(shared)
}

/// What the task's file says, and `TASK_CONTEXT`.
fn context(
    workshop: &Workshop<'_>,
    plan: &Plan,
    site: &Site<'_>,
    seen: &Seen,
    runner: &str,
) -> Value {
    let task = &plan.task;
    let mut context = Map::new();
    let mut put = |key: &str, value: Value| drop(context.insert(key.to_owned(), value));
    put("task_id", (*task.id).into());
    put("spec_name", plan.list.as_str().into());
    put("title", (*task.title).into());
    put("description", (*task.description).into());
    put("dependencies", json!(task.depends));
    put("required_skill", json!(task.skill));
    put("priority", task.priority.into());
    put("run", workshop.run.name().into());
    put("attempt", plan.id.attempt.into());
    put("max_attempts", task.max_attempts.into());
    put("runner_id", runner.into());
    put("agent_pool", plan.agent_pool.name.as_str().into());
    put(
        "timeout_seconds",
        json!(task.timeout.map(|time| time.as_secs_f64())),
    );
    if let Some(elsewhere) = site.away() {
        let files = &elsewhere.files;
        put("repo_name", files.pool.as_str().into());
        put("slot_path", seen.slot().into());
        put("branch_name", files.branch.as_str().into());
        put("base_commit", files.base_commit.as_str().into());
    }
    if let Some(held) = site.held() {
        put("repo_name", held.slot.pool.as_str().into());
        put("slot_id", held.slot.id().into());
        put("slot_path", held.slot.path.as_str().into());
        put("branch_name", held.slot.branch.as_str().into());
        put("base_commit", held.slot.base_commit.as_str().into());
    }
    // What the file says besides is handed on under its own names, but for those above.
    for (key, value) in &task.extra {
        context.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(context)
}

fn variables(
    workshop: &Workshop<'_>,
    plan: &Plan,
    site: &Site<'_>,
    runner: &str,
    seen: &Seen,
    context: &Value,
) -> Result<BTreeMap<String, String>> {
    let files = &seen.files;
    let mut env = agent_pool(plan)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    if let Some(elsewhere) = site.away() {
        let away = &elsewhere.files;
        env.insert("REPO_POOL_POOL".into(), away.pool.clone());
        env.insert("REPO_POOL_SLOT_PATH".into(), seen.slot());
        env.insert("REPO_POOL_BRANCH".into(), away.branch.clone());
        env.insert("REPO_POOL_BASE_COMMIT".into(), away.base_commit.clone());
    }
    if let Some(held) = site.held() {
        let slot = &held.slot;
        let own = variables::of(held.pool(), slot.number, &held.path, Some(&slot.allocation))?;
        let own = own.into_iter().map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        });
        env.extend(own);
        env.insert("REPO_POOL_SLOT_ID".into(), held.slot.id());
        env.insert("REPO_POOL_BRANCH".into(), slot.branch.clone());
        env.insert("REPO_POOL_BASE_COMMIT".into(), slot.base_commit.clone());
    }
    let mut put = |name: &str, value: String| drop(env.insert(name.to_owned(), value));
    put("REPO_POOL_RUN_ID", workshop.run.name().to_owned());
    put("REPO_POOL_TASK_ID", plan.id.task.clone());
    put("REPO_POOL_ATTEMPT", plan.id.attempt.to_string());
    put("REPO_POOL_MAX_ATTEMPTS", plan.task.max_attempts.to_string());
    put("REPO_POOL_RUNNER_ID", runner.to_owned());
    put("REPO_POOL_AGENT_POOL", plan.agent_pool.name.clone());
    put(TASK_FILE, text(&files.at("task.json")));
    put("REPO_POOL_RESULT_FILE", text(&files.at("result.json")));
    put("REPO_POOL_ARTIFACTS_DIR", text(&files.at("artifacts")));
    put("REPO_POOL_DEADLINE", deadline(plan.task.timeout));
    put("RUNNER_ID", runner.to_owned());
    put("POOL_NAME", plan.agent_pool.name.clone());
    let context = context.to_string();
    if context.len() < CONTEXT_MAX {
        put("TASK_CONTEXT", context);
    }
    env.extend(plan.task.env.clone());
    // No variable of the system's can hold it, and nothing else of the attempt should fail for that.
    env.retain(|name, value| !name.contains('\0') && !value.contains('\0'));
    Ok(env)
}

/// The variables that the agent pool's runners have.
fn agent_pool(plan: &Plan) -> Result<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    if let Some(path) = &plan.agent_pool.env_file {
        let bytes = fs::read_if_there(path)?.ok_or_else(|| {
            let name = &plan.agent_pool.name;
            Error::failed(format!(
                "env_file of agent pool {name} is not there: {}",
                path.display()
            ))
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim);
        let set = lines.filter(|line| !line.starts_with('#'));
        env.extend(set.filter_map(|line| line.split_once('=')).map(owned));
    }
    env.extend(plan.agent_pool.env.clone());
    Ok(env)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.trim().to_owned(), value.trim().to_owned())
}

/// When the runner will be ended; empty if it may take as long as it likes.
fn deadline(timeout: Option<std::time::Duration>) -> String {
    let time = timeout.and_then(clock::from_now);
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// The command with its placeholders filled in. Braces with anything else in them stay as they are.
fn command(task: &Task, env: &BTreeMap<String, String>) -> Vec<String> {
    let of = |name: &str| env.get(name).map(String::as_str).unwrap_or_default();
    let known = [
        ("{task_file}", of(TASK_FILE)),
        ("{result_file}", of("REPO_POOL_RESULT_FILE")),
        ("{artifacts_dir}", of("REPO_POOL_ARTIFACTS_DIR")),
        ("{id}", &task.id),
        ("{title}", &task.title),
        ("{description}", &task.description),
        ("{run}", of("REPO_POOL_RUN_ID")),
        ("{attempt}", of("REPO_POOL_ATTEMPT")),
        ("{slot}", of("REPO_POOL_SLOT_PATH")),
        ("{branch}", of("REPO_POOL_BRANCH")),
        ("{base_commit}", of("REPO_POOL_BASE_COMMIT")),
    ];
    let words = task.command.iter();
    words.map(|word| filled(word, &known)).collect()
}

/// One pass: what is filled in is not looked at again.
fn filled(word: &str, known: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match known.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                text.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                text.push('{');
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_once_and_other_braces_stay() {
        let known = [("{id}", "{title}"), ("{title}", "T"), ("{slot}", "")];
        let all = |word: &str| filled(word, &known);
        assert_eq!(all("--id={id} {title}"), "--id={title} T");
        assert_eq!(all("{\"a\": {id}}{"), "{\"a\": {title}}{");
        assert_eq!(all("{slot}{nothing}ä{"), "{nothing}ä{");
    }
}
