//! `kubectl`, which does what is done with a cluster.
//!
//! Each call has its end: the request has a limit, and so has the process.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::trouble::{Trouble, of};
use crate::domain::dispatch::kubernetes::names;
use crate::domain::dispatch::kubernetes::seen::{self, Answer, Job, Seen};
use crate::sys::clock::Deadline;
use crate::sys::process::{Command, Ended, Finished, Limits};

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(20);
/// How much longer the process may: it asks for the kinds of things first, and may ask a program for a
/// password.
const PROCESS: Duration = Duration::from_secs(40);
/// Who follows a log and hears nothing for so long asks again.
const SILENCE: Duration = Duration::from_secs(120);

/// What a call comes to.
pub type Done<T> = Result<T, Trouble>;

/// Where Jobs are: as the settings have it, or as an attempt's record does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cluster {
    /// kubectl's configuration; none: where it looks for it.
    pub kubeconfig: Option<PathBuf>,
    /// The context; none: there is no choice.
    pub context: Option<String>,
    /// The namespace; none: where kubectl is itself.
    pub namespace: Option<String>,
}

impl Cluster {
    /// What people call a Job of it.
    pub fn handle(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("job {namespace}/{name}"),
            None => format!("job {name}"),
        }
    }

    /// What the settings leave open, as it is now: another current context later changes nothing.
    pub fn pinned(self) -> Done<Self> {
        #[derive(Deserialize)]
        struct View {
            #[serde(rename = "current-context", default)]
            current: String,
            #[serde(default)]
            contexts: Option<Vec<Named>>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
            context: Context,
        }
        #[derive(Deserialize)]
        struct Context {
            namespace: Option<String>,
        }
        if self.context.is_some() && self.namespace.is_some() {
            return Ok(self);
        }
        let out = self.run(&["config", "view", "-o", "json"], None)?;
        let Ok(view) = serde_json::from_slice::<View>(&out) else {
            return Ok(self);
        };
        let current = (!view.current.is_empty()).then_some(view.current);
        let context = self.context.or(current);
        let mut all = view.contexts.unwrap_or_default().into_iter();
        let found = all.find(|named| Some(&named.name) == context.as_ref());
        let standard = context.is_some().then(|| "default".to_owned());
        let namespace = found.and_then(|named| named.context.namespace);
        Ok(Self {
            kubeconfig: self.kubeconfig,
            namespace: self.namespace.or(namespace).or(standard),
            context,
        })
    }

    /// Has a Job made.
    pub fn create(&self, manifest: &[u8]) -> Done<()> {
        let words = ["create", "--validate=ignore", "-o", "name", "-f", "-"];
        self.run(&words, Some(manifest)).map(drop)
    }

    /// All Jobs and pods of a run.
    pub fn of_run(&self, run: &str) -> Done<Answer> {
        let selector = format!("{}={run}", names::RUN);
        let out = self.run(
            &["get", "jobs.batch,pods", "-l", &selector, "-o", "json"],
            None,
        )?;
        seen::read(&out).map_err(|error| Trouble::garbled(&error))
    }

    /// A Job by its name; none if there is none.
    pub fn job(&self, name: &str) -> Done<Option<Job>> {
        let words = [
            "get",
            "jobs.batch",
            name,
            "--ignore-not-found",
            "-o",
            "json",
        ];
        let out = self.run(&words, None)?;
        match out.iter().all(u8::is_ascii_whitespace) {
            true => Ok(None),
            false => seen::read_job(&out)
                .map(Some)
                .map_err(|error| Trouble::garbled(&error)),
        }
    }

    /// A Job and its pods by its name.
    pub fn by_name(&self, name: &str) -> Done<Seen> {
        let job = self.job(name)?;
        let selector = format!("job-name={name}");
        let out = self.run(&["get", "pods", "-l", &selector, "-o", "json"], None)?;
        let pods = seen::read(&out).map_err(|error| Trouble::garbled(&error))?;
        let pods = pods.into_iter().find(|(job, _)| job == name);
        Ok(Seen {
            job,
            pods: pods.map(|(_, seen)| seen.pods).unwrap_or_default(),
        })
    }

    /// Has the Job of this `repo-pool.id` deleted, and with it its pods, which have the time to end that
    /// they say; `now`: a second. The Job is there until they are gone.
    pub fn delete(&self, id: &str, now: bool) -> Done<()> {
        let selector = format!("{}={id}", names::ID);
        let job = [
            "delete",
            "jobs.batch",
            "-l",
            &selector,
            "--cascade=foreground",
        ];
        let rest = ["--wait=false", "--ignore-not-found"];
        self.run(&[&job[..], &rest].concat(), None)?;
        if now {
            // Without any time at all a pod would be forgotten while it may still run.
            let pods = ["delete", "pods", "-l", &selector, "--now"];
            self.run(&[&pods[..], &rest].concat(), None)?;
        }
        Ok(())
    }

    /// Whether this is allowed.
    pub fn can(&self, verb: &str, kind: &str) -> Done<bool> {
        let finished = self.finished(&["auth", "can-i", verb, kind], None)?;
        match String::from_utf8_lossy(&finished.stdout).trim() {
            "yes" => Ok(true),
            answer if answer.starts_with("no") => Ok(false),
            _ => answered(finished).map(|_| true),
        }
    }

    /// The output of a pod's runner, with the time of each line, as it comes or as far as it is there.
    /// Whether that has ended by itself: who follows and hears nothing for long has to ask again.
    pub fn logs(
        &self,
        pod: &str,
        since: Option<Timestamp>,
        follow: bool,
        take: &mut dyn FnMut(&[u8]),
    ) -> Done<bool> {
        let mut command = self.kubectl();
        command.args(["logs", pod, "-c", seen::CONTAINER, "--timestamps"]);
        if let Some(since) = since {
            // Whole seconds: what is asked for twice is passed over.
            let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
            command.arg(format!("--since-time={since}"));
        }
        if follow {
            command.arg("--follow");
        } else {
            command.arg(format!("--request-timeout={}s", REQUEST.as_secs()));
        }
        command.limits(Limits {
            deadline: (!follow).then(|| Deadline::after(PROCESS)),
            silence: follow.then_some(SILENCE),
            ..Limits::default()
        });
        command.on_stdout(take);
        let finished = command.run().map_err(|error| Trouble::not_run(&error))?;
        match finished.ended {
            Some(Ended::Silence(_)) => Ok(false),
            _ => answered(finished).map(|_| true),
        }
    }

    /// Anything else.
    pub fn run(&self, words: &[&str], input: Option<&[u8]>) -> Done<Vec<u8>> {
        answered(self.finished(words, input)?)
    }

    fn finished(&self, words: &[&str], input: Option<&[u8]>) -> Done<Finished> {
        let mut command = self.kubectl();
        command
            .args(words)
            .arg(format!("--request-timeout={}s", REQUEST.as_secs()))
            .limits(Limits {
                deadline: Some(Deadline::after(PROCESS)),
                ..Limits::default()
            });
        if let Some(input) = input {
            command.stdin_bytes(input.to_vec());
        }
        command.run().map_err(|error| Trouble::not_run(&error))
    }

    fn kubectl<'a>(&self) -> Command<'a> {
        let mut command = Command::new("kubectl");
        command.sweeping(true);
        if let Some(path) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(path);
        }
        for (option, value) in [
            ("--context", &self.context),
            ("--namespace", &self.namespace),
        ] {
            if let Some(value) = value {
                command.arg(option).arg(value);
            }
        }
        command
    }
}

fn answered(finished: Finished) -> Done<Vec<u8>> {
    let said = String::from_utf8_lossy(&finished.stderr);
    match finished.ended {
        None if finished.status.success() => Ok(finished.stdout),
        None => Err(of(&said)),
        Some(_) => Err(Trouble::Unclear(format!(
            "kubectl did not answer within {}",
            humantime::format_duration(Duration::from_secs(finished.duration.as_secs()))
        ))),
    }
}
