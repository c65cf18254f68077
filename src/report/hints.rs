//! What to try after git failed, recognised by git's own words (in the C locale).

use crate::domain::{GitFailure, damage};

/// Words of git's, in lower case, and what helps where one of them was said.
type Rule = (&'static [&'static str], &'static str);

const RULES: &[Rule] = &[
    (
        &[
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "authentication failed",
            "permission denied (publickey",
            "invalid credentials",
            "the requested url returned error: 401",
            "the requested url returned error: 403",
        ],
        "git is never given a terminal to ask on: a credential helper or an ssh key has to work \
         without a prompt (`git ls-remote URL </dev/null` tries it)",
    ),
    (
        &[
            ".lock': file exists",
            "cannot lock ref",
            "failed to read worktrees/",
        ],
        "another git is at work there; if it was killed, `repo-pool recover POOL` removes what it left",
    ),
    (
        &["host key verification failed"],
        "the host's key is not known yet: connect once by hand (`ssh HOST`), or add it to \
         known_hosts",
    ),
    (
        &[
            "repository not found",
            "does not appear to be a git repository",
            "the requested url returned error: 404",
            "project you were looking for could not be found",
        ],
        "check the URL; a private repository that the credentials may not read looks the same \
         (`git ls-remote URL` tries it)",
    ),
    (
        &["couldn't find remote ref", "remote branch"],
        "`repo-pool branches POOL` lists the branches of the remote",
    ),
    (
        &[
            "could not resolve host",
            "connection refused",
            "connection timed out",
            "operation timed out",
            "network is unreachable",
            "no route to host",
            "failed to connect to",
            "couldn't connect to server",
        ],
        "the remote can't be reached: check network and proxy",
    ),
    (
        &[
            "early eof",
            "unexpected disconnect",
            "the remote end hung up",
            "connection reset",
            "rpc failed",
        ],
        "the connection broke off: running the command again is sensible",
    ),
    (
        &[
            "ssl certificate problem",
            "server certificate verification failed",
        ],
        "the server's certificate is not trusted: git's `http.sslCAInfo` names the authorities \
         that are",
    ),
    (
        &[
            "no space left on device",
            "disk quota exceeded",
            "out of diskspace",
        ],
        "free space on the workspace's disk; `repo-pool status --disk` shows what the pools take",
    ),
    (
        &["dubious ownership"],
        "the repository belongs to another user: `git config --global --add safe.directory PATH` \
         tells git that it is to be trusted",
    ),
    (
        &["too many open files"],
        "raise the limit on open files (`ulimit -n`), or lower `jobs` in pools.toml",
    ),
];

/// The hints for a failed git command; empty when nothing in it is known.
pub(super) fn for_git(failure: &GitFailure) -> Vec<String> {
    // A transport that never came up makes git add "does not appear to be …" and "could not read
    // from remote repository" of its own: only the first cause is worth a hint.
    let said = failure.stderr.to_lowercase();
    let known = RULES
        .iter()
        .find(|(words, _)| words.iter().any(|word| said.contains(word)));
    let mut hints: Vec<String> = known
        .map(|(_, hint)| (*hint).to_owned())
        .into_iter()
        .collect();
    if damage::is_told_by(failure) {
        hints.push(damage::remedy("POOL"));
    }
    if failure.ended.is_some() {
        hints.push("`git_timeout` in pools.toml says how long git may go without progress".into());
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(stderr: &str) -> String {
        let failure = GitFailure {
            stderr: stderr.into(),
            ..GitFailure::default()
        };
        for_git(&failure).join("; ")
    }

    #[test]
    fn what_git_says_is_recognised() {
        for (said, part) in [
            (
                "fatal: could not read Username for 'https://example.com': terminal prompts disabled",
                "without a prompt",
            ),
            (
                "git@example.com: Permission denied (publickey,password).\nfatal: Could not read from remote repository.",
                "ssh key",
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://example.com/x/' not found",
                "check the URL",
            ),
            (
                "fatal: '/nowhere' does not appear to be a git repository\nfatal: Could not read from remote repository.",
                "check the URL",
            ),
            (
                "ssh: Could not resolve hostname x: Name or service not known",
                "network",
            ),
            (
                "fatal: unable to access 'https://x/': Could not resolve host: x",
                "network",
            ),
            (
                "fatal: couldn't find remote ref refs/heads/x",
                "repo-pool branches",
            ),
            (
                "error: unable to write file a: No space left on device",
                "free space",
            ),
            (
                "fatal: detected dubious ownership in repository at '/r'",
                "safe.directory",
            ),
            ("fatal: early EOF", "again"),
            ("fatal: missing blob object 'x'", "recover POOL --force"),
            ("Host key verification failed.", "known_hosts"),
        ] {
            assert!(hint(said).contains(part), "{said}: {}", hint(said));
        }
        assert_eq!(hint("fatal: something else"), "");
    }

    #[test]
    fn a_time_out_names_its_setting() {
        let failure = GitFailure {
            ended: Some("no progress for 300 s".into()),
            ..GitFailure::default()
        };
        assert!(for_git(&failure)[0].contains("git_timeout"));
    }
}
