//! Talking to a remote: what it has, and bringing that here.
//!
//! The remote is always named by its recorded URL with an explicit refspec, never through the
//! repository's config: an agent may have edited that. A bare clone has no fetch refspec at all,
//! and would never see a new commit.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use super::parse::{self, RemoteRefs};
use super::{Git, Invocation, Oid, Sparse, cuts, promised, refs};
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::sys::lock::FileLock;
use crate::sys::seen::Seen;
use crate::sys::{clock, fs};

/// The refs that hold what the remote has.
pub const TRACKING: &str = "refs/remotes/origin/";

/// How often a failure that can pass is tried in all (9.1).
const ATTEMPTS: u32 = 3;

/// The first wait between two tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What git says when trying again may help. Everything else is final.
const PASSING: [&str; 17] = [
    "could not resolve host",
    "temporary failure in name resolution",
    "connection timed out",
    "operation timed out",
    "connection refused",
    "connection reset",
    "connection closed",
    "early eof",
    "rpc failed",
    "the remote end hung up",
    "unexpected disconnect",
    "broken pipe",
    "network is unreachable",
    "no route to host",
    "returned error: 5",
    "returned error: 429",
    "cannot lock ref",
];

/// What git says of a remote that sends everything, whatever it is asked to leave out.
const UNFILTERED: &str = "filtering not recognized by server";

/// What git says when trying again can't help, whatever else it says.
const FINAL: [&str; 6] = [
    "permission denied",
    "authentication failed",
    "could not read username",
    "could not read password",
    "does not appear to be a git repository",
    "repository not found",
];

/// What the remote has: HEAD, and the refs that match `patterns`.
pub fn look(git: &Git, url: &RemoteUrl, patterns: &[&str]) -> Result<RemoteRefs> {
    retrying(git.silence(), |left| {
        let git = &git.silent_for(left);
        let invocation = git
            .outside()
            .args(["ls-remote", "--symref", "--", url.stored(), "HEAD"])
            .args(patterns);
        reaching(git, invocation, url).run(&format!("look at {}", url.stored()))
    })
    .map(|output| parse::ls_remote(&output.stdout))
}

/// How the files of the refs in [`TRACKING`] look, in short. git changes a ref by renaming a file
/// in its directory or by replacing `packed-refs`, and others by writing into a file, so another stamp
/// is there after every change.
pub fn tracking_stamp(repository: &Path) -> Result<String> {
    let mut digest = DefaultHasher::new();
    Seen::of(&repository.join("packed-refs"))?.hash(&mut digest);
    let mut places = vec![repository.join(TRACKING)];
    while let Some(place) = places.pop() {
        let Some(seen) = Seen::of(&place)? else {
            continue;
        };
        let is_directory = seen.is_directory();
        (&place, seen).hash(&mut digest);
        if !is_directory {
            continue;
        }
        let entries = fs::entries(&place).map_err(|e| Error::io("read", &place, e))?;
        let from = places.len();
        places.extend(entries.flatten().map(|entry| entry.path()));
        places[from..].sort_unstable();
    }
    Ok(format!("{:016x}", digest.finish()))
}

/// Brings all branches of the remote here (3.1), dropping those it no longer has, and the tags that
/// belong to them. The child keeps `running` locked, so that it is known as long as it lives. With
/// `depth`, the history is cut: for the first fetch of a repository only, since a later one would cut
/// off commits that are there. What is new since comes whole. Tells whether the remote left out what
/// the repository's filter says.
pub fn fetch_all(
    git: &Git,
    repository: &Path,
    url: &RemoteUrl,
    running: Option<&FileLock>,
    depth: Option<u32>,
    on_progress: &mut dyn FnMut(&[u8]),
) -> Result<bool> {
    let depth = depth.map(|depth| format!("--depth={depth}"));
    let mut options = vec!["--prune", "--force"];
    options.extend(depth.as_deref());
    let what = What {
        running,
        options: &options,
        refspecs: &["+refs/heads/*:refs/remotes/origin/*"],
        objects: None,
    };
    let said = fetch(git, repository, url, &what, on_progress)?;
    Ok(!said.contains(UNFILTERED))
}

/// Brings exactly `source` (a full ref or an object id) here and keeps it under `target`.
pub fn fetch_exactly(
    git: &Git,
    repository: &Path,
    url: &RemoteUrl,
    source: &str,
    target: &str,
) -> Result<()> {
    let mut options = vec!["--no-tags"];
    // Deeper, it could be cut off in the middle of a history that is there.
    if !cuts::all(repository)?.is_empty() && !has(git, repository, url, source)? {
        options.push("--depth=1");
    }
    let what = What {
        options: &options,
        refspecs: &[&format!("+{source}:{target}")],
        ..What::default()
    };
    fetch(git, repository, url, &what, &mut |_| ()).map(drop)
}

/// Pushes what `refspec` says, and nothing else.
pub fn push(git: &Git, repository: &Path, url: &RemoteUrl, refspec: &str) -> Result<()> {
    retrying(git.silence(), |left| {
        let git = &git.silent_for(left);
        let invocation = git
            .repository(repository)
            .args(["push", "--quiet", "--no-verify", "--no-follow-tags"])
            .args(["--recurse-submodules=no", "--", url.stored(), refspec]);
        reaching(git, invocation, url).run(&format!("push to {}", url.stored()))
    })
    .map(drop)
}

/// Brings the contents of the files of `commit` here that a slot has, as far as they are not: where the
/// repository was made without them.
pub fn bring_contents(
    git: &Git,
    repository: &Path,
    url: &RemoteUrl,
    commit: &Oid,
    sparse: &Sparse,
) -> Result<()> {
    if promised::filter(repository)?.is_none() {
        return Ok(());
    }
    let lacking = promised::lacking(git, repository, commit, sparse)?;
    if lacking.is_empty() {
        return Ok(());
    }
    let objects: String = lacking.iter().map(|oid| format!("{oid}\n")).collect();
    let what = What {
        options: &["--no-tags", "--stdin"],
        objects: Some(objects.as_bytes()),
        ..What::default()
    };
    fetch(git, repository, url, &what, &mut |_| ()).map(drop)
}

/// Whether the commit that `source` is at the remote is here.
fn has(git: &Git, repository: &Path, url: &RemoteUrl, source: &str) -> Result<bool> {
    if super::is_oid(source) {
        return Ok(refs::commit_of(git, repository, source)?.is_some());
    }
    let peeled = format!("{source}^{{}}");
    let there = look(git, url, &[source, &peeled])?;
    let named = |name: &str| {
        let mut refs = there.refs.iter();
        refs.find(|reference| reference.name == name)
            .map(|reference| &reference.oid)
    };
    let commit = match source {
        "HEAD" => there.head.as_ref(),
        _ => named(&peeled).or(named(source)),
    };
    match commit {
        Some(commit) => Ok(refs::commit_of(git, repository, commit)?.is_some()),
        // The fetch says it better.
        None => Ok(true),
    }
}

/// What is to be fetched.
#[derive(Default)]
struct What<'a> {
    running: Option<&'a FileLock>,
    options: &'a [&'a str],
    refspecs: &'a [&'a str],
    /// Objects, one on a line.
    objects: Option<&'a [u8]>,
}

/// Fetches; what git said.
fn fetch(
    git: &Git,
    repository: &Path,
    url: &RemoteUrl,
    what: &What<'_>,
    on_progress: &mut dyn FnMut(&[u8]),
) -> Result<String> {
    let filter = promised::filter(repository)?;
    let remote = promised::Named::new(url, filter.as_deref());
    let output = retrying(git.silence(), |left| {
        let git = &git.silent_for(left);
        let mut invocation = git
            .repository(repository)
            .holding(what.running)
            .env("GIT_PROGRESS_DELAY", "0")
            .args(&remote.settings);
        if let Some(objects) = what.objects {
            // There is nothing to agree on about single objects.
            invocation = invocation
                .stdin(objects.to_vec())
                .args(["-c", "fetch.negotiationAlgorithm=noop"]);
        }
        let invocation = invocation
            .args([
                "fetch",
                "--progress",
                "--no-write-fetch-head",
                "--no-auto-maintenance",
            ])
            .args(["--no-recurse-submodules"])
            .args(&remote.options)
            .args(what.options)
            .args(["--", &remote.name])
            .args(what.refspecs);
        reaching(git, invocation, url).run_allowing(
            &[],
            &format!("fetch {}", url.stored()),
            on_progress,
        )
    })?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Adds what reaching a remote needs. ssh must not ask at a terminal: where the caller has not
/// chosen how to run it, it is told so; a caller's own command is left as it is. What the
/// repository's config says about ssh does not count: an agent may have written it.
pub(super) fn reaching<'g>(
    git: &'g Git,
    invocation: Invocation<'g>,
    url: &'g RemoteUrl,
) -> Invocation<'g> {
    let invocation = invocation.network(url);
    let by_ssh = url.local_path().is_none() && !url.stored().starts_with("http");
    let chosen = ["GIT_SSH_COMMAND", "GIT_SSH"].map(|name| git.network_variable(name).is_some());
    if !by_ssh || chosen.contains(&true) {
        return invocation;
    }
    let configured = git
        .outside()
        .with_network_settings()
        .args(["config", "--get", "core.sshCommand"])
        .run_allowing(&[1, 128], "read core.sshCommand", &mut |_| ());
    match configured {
        Ok(output) if output.code == 0 => invocation.env("GIT_SSH_COMMAND", output.text()),
        _ => invocation.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
    }
}

/// Tries up to three times while the failure is one that can pass. One allowance of time without
/// progress covers all tries together: each gets what the ones before it have left.
fn retrying<T>(allowance: Duration, mut attempt: impl FnMut(Duration) -> Result<T>) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    let watch = clock::Stopwatch::start();
    for _ in 1..ATTEMPTS {
        match attempt(allowance.saturating_sub(watch.elapsed())) {
            Err(error) if can_pass(&error) && watch.elapsed() + pause < allowance => {
                clock::pause(pause)?;
                pause *= 2;
            }
            other => return other,
        }
    }
    attempt(allowance.saturating_sub(watch.elapsed()))
}

/// Whether trying again may help. A command that was ended for being silent has used up its time.
fn can_pass(error: &Error) -> bool {
    let Error::Git { failure, .. } = error else {
        return false;
    };
    let words = failure.stderr.to_ascii_lowercase();
    failure.ended.is_none()
        && PASSING.iter().any(|part| words.contains(part))
        && !FINAL.iter().any(|part| words.contains(part))
}

/// Looks up what a user's `--ref` means among what is here: a branch of the remote, a tag, a full
/// ref, a commit or a branch that was made here, in that order.
pub fn resolve_here(git: &Git, repository: &Path, name: &str) -> Result<Option<String>> {
    refs::check_name(name)?;
    let mut candidates = vec![
        format!("{TRACKING}{name}"),
        format!("refs/repo-pool/ref/tags/{name}"),
        format!("refs/tags/{name}"),
    ];
    if let Some(branch) = name
        .strip_prefix("refs/heads/")
        .or(name.strip_prefix("origin/"))
    {
        candidates.insert(0, format!("{TRACKING}{branch}"));
    } else if name.starts_with("refs/") {
        candidates = vec![name.to_owned()];
    }
    if name.len() >= 4 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        candidates.push(name.to_owned());
    }
    let own = name.strip_prefix("refs/heads/").unwrap_or(name);
    candidates.push(format!("refs/heads/{own}"));
    for candidate in candidates {
        if let Some(oid) = refs::commit_of(git, repository, &candidate)? {
            return Ok(Some(oid));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GitFailure;

    fn said(stderr: &str) -> Error {
        Error::Git {
            context: String::new(),
            failure: Box::new(GitFailure {
                stderr: stderr.into(),
                ..GitFailure::default()
            }),
        }
    }

    #[test]
    fn only_what_can_pass_is_tried_again() {
        assert!(can_pass(&said(
            "fatal: unable to access: Could not resolve host: x"
        )));
        assert!(can_pass(&said("error: RPC failed; HTTP 502")));
        assert!(!can_pass(&said(
            "git@h: Permission denied (publickey).\nfatal: the remote end hung up"
        )));
        assert!(!can_pass(&said("fatal: bad object")));
    }

    #[test]
    fn three_tries_and_no_more() {
        let mut tries = 0;
        let result: Result<()> = retrying(Duration::from_secs(9), |_| {
            tries += 1;
            Err(said("fatal: bad object"))
        });
        assert!(result.is_err());
        assert_eq!(tries, 1);
    }

    #[test]
    fn later_tries_get_what_the_earlier_ones_have_left() {
        let mut given = Vec::new();
        let result: Result<()> = retrying(Duration::from_secs(600), |left| {
            given.push(left);
            Err(said("fatal: early EOF"))
        });
        assert!(result.is_err());
        assert_eq!(given.len(), 3);
        assert!(
            given
                .windows(2)
                .all(|pair| pair[1] + FIRST_PAUSE <= pair[0])
        );
    }
}
