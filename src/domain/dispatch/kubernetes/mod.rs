//! Runners as Jobs of a Kubernetes cluster: what a Job looks like, and what its state means.
//!
//! # The Job of an attempt
//! One `batch/v1` Job per attempt, named like its runner, with one pod and one container, `runner`. It is
//! what [`merge`] makes of the person's `job_template` and of what is set for each attempt ([`manifest`]):
//! objects key by key, the attempt's values before the template's; lists of objects with names
//! (`containers`, `initContainers`, `volumes`, `env`, `volumeMounts`, `imagePullSecrets` …) entry by entry,
//! by name; any other list of the template stays unless the attempt has one. What a person may want
//! otherwise is a default only, which the template replaces ([`manifest::defaults`]).
//!
//! - Labels of Job and pod: `app.kubernetes.io/managed-by=repo-pool`, `repo-pool.run`, `repo-pool.task`,
//!   `repo-pool.runner`, as label values ([`names`]), and `repo-pool.id`; annotations `repo-pool.run`,
//!   `repo-pool.task`, `repo-pool.attempt`, `repo-pool.token` have them as they are.
//! - `repo-pool.id` is a random number of this one Job, noted in the attempt's directory before the Job is
//!   first asked for: "already exists" with the same id is ours, whoever asked for it; with any other it
//!   is somebody else's. It is deleted by this label.
//! - Its one `podFailurePolicy` rule has it fail with the reason `PodFailurePolicy` if its pod is taken away
//!   (the condition `DisruptionTarget`): the pod itself may be gone before anybody looks.
//! - `$` is written `$$` in commands, arguments and variables: Kubernetes fills in `$(NAME)` there.
//! - Secrets are mounted at `/run/repo-pool/secrets/NAME`, a file per key; `env:NAME` instead makes its
//!   keys variables.
//!
//! # The transports
//! | `transport` | where the task's files are |
//! |---|---|
//! | `clone` (the default) | in `/tmp/<runner>/slot`, cloned from the remote at the task's base commit; no slot here |
//! | `hostPath` | in a slot of this machine, mounted with the repository and the attempt's directory at the same paths |
//! | `node` | in a slot of the workspace of whichever node it is on, mounted from there; no slot here |
//!
//! With `clone` and `node` the container runs `sh` with a script of ours ([`script`]) around the command.
//! `/tmp/<runner>/` holds `task.json`, `result.json` and `artifacts/`. What the task has committed is
//! pushed as its branch (`rp/<task>`), also if it failed; its exit code 0 counts only if that worked. The
//! script's last words are in the pod's termination message (at `/tmp/<runner>.end`): `commit OID`,
//! `nothing` (no commit was made), or `infra REASON`, with exit code 125, if the command could not begin or
//! the push failed.
//!
//! # What its state means
//! [`seen`] reads the answer to `kubectl get jobs,pods`; [`course`] says what follows from it. An attempt
//! has ended when its container has and when no pod of it is left that may run.

pub mod course;
pub mod log;
pub mod manifest;
pub mod merge;
pub mod names;
pub mod script;
pub mod seen;

#[cfg(test)]
mod tests;
