//! What a key in the shared config means to those who share it. Pure.
//!
//! Agents' own gits read that config, so what one of them writes there works on the next one. Most
//! of it is harmless and theirs (`push -u` writes `branch.*`); what is not is named here.

/// What may become of a key that is not as the pool wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Written by the pool, and no slot works without: it is put right at once.
    Vital,
    /// Written by the pool: where it fetches from, and that nothing is collected meanwhile.
    Owned,
    /// Has git run a program, send secrets or go elsewhere: it must not wait for the next user.
    Planted,
    /// Anybody's.
    Free,
}

/// What the key means, as `git config --list` writes it: section and name in lower case.
pub fn sort(key: &str, value: &str) -> Sort {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let (subsection, name) = match rest.rsplit_once('.') {
        Some((subsection, name)) => (Some(subsection), name),
        None => (None, rest),
    };
    match (section, subsection, name) {
        ("extensions", ..) => Sort::Vital,
        ("core", None, "bare" | "worktree" | "repositoryformatversion") => Sort::Vital,
        ("core", None, "logallrefupdates") | ("gc" | "maintenance", None, "auto") => Sort::Owned,
        ("remote", Some("origin"), name) if ORIGIN.contains(&name) => Sort::Owned,
        _ if is_planted(section, name, value) => Sort::Planted,
        _ => Sort::Free,
    }
}

const ORIGIN: [&str; 7] = [
    "url",
    "fetch",
    "push",
    "pushurl",
    "mirror",
    "promisor",
    "partialclonefilter",
];

/// Sections all of whose keys run something or lead elsewhere.
const SECTIONS: [&str; 10] = [
    "filter",
    "include",
    "includeif",
    "url",
    "http",
    "credential",
    "pager",
    "protocol",
    "ssh",
    "browser",
];

fn is_planted(section: &str, name: &str, value: &str) -> bool {
    let one_of = |names: &[&str]| names.contains(&name);
    SECTIONS.contains(&section)
        || match section {
            "core" => one_of(&[
                "fsmonitor",
                "hookspath",
                "sshcommand",
                "gitproxy",
                "alternaterefscommand",
                "pager",
                "editor",
                "askpass",
                "attributesfile",
                "excludesfile",
            ]),
            "remote" => one_of(&["uploadpack", "receivepack", "vcs", "proxy"]),
            "diff" => one_of(&["external", "command", "textconv"]),
            "merge" => one_of(&["driver"]),
            "gpg" => one_of(&["program", "defaultkeycommand"]),
            "alias" | "submodule" => value.starts_with('!'),
            "uploadpack" => one_of(&["packobjectshook"]),
            "gc" => one_of(&["recentobjectshook"]),
            "sequence" => one_of(&["editor"]),
            "interactive" => one_of(&["difffilter"]),
            "init" => one_of(&["templatedir"]),
            "lfs" => one_of(&["path", "args", "clean", "smudge", "url", "pushurl"]),
            "sendemail" => one_of(&["smtpserver", "tocmd", "cccmd", "headercmd", "sendmailcmd"]),
            "difftool" | "mergetool" | "guitool" | "man" | "tar" | "trailer" => {
                one_of(&["cmd", "command", "path"])
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_a_program_or_leads_elsewhere_is_named_whatever_its_subsection() {
        for key in [
            "core.fsmonitor",
            "core.sshcommand",
            "filter.a.b.clean",
            "remote.file:///a.git.uploadpack",
            "remote.other.vcs",
            "url.ext::sh -c x.insteadof",
            "credential.https://h/x.helper",
            "includeif.gitdir:/a.path",
            "diff.external",
            "diff.x.textconv",
            "gpg.ssh.program",
            "gpg.ssh.defaultkeycommand",
            "http.https://h/.extraheader",
            "lfs.customtransfer.x.path",
        ] {
            assert_eq!(sort(key, "x"), Sort::Planted, "{key}");
        }
        assert_eq!(sort("alias.st", "!sh"), Sort::Planted);
        assert_eq!(sort("submodule.lib.update", "!sh"), Sort::Planted);
    }

    #[test]
    fn what_the_pool_wrote_is_its_own() {
        for key in ["core.bare", "core.worktree", "extensions.partialclone"] {
            assert_eq!(sort(key, "x"), Sort::Vital, "{key}");
        }
        for key in ["remote.origin.url", "remote.origin.pushurl", "gc.auto"] {
            assert_eq!(sort(key, "x"), Sort::Owned, "{key}");
        }
    }

    #[test]
    fn what_agents_write_every_day_is_free() {
        for key in [
            "branch.topic/a.b.merge",
            "user.email",
            "remote.fork.url",
            "remote.fork.fetch",
            "remote.origin.gh-resolved",
            "alias.st",
            "submodule.lib.url",
            "rerere.enabled",
            "merge.conflictstyle",
            "x",
            "",
        ] {
            assert_eq!(sort(key, "x"), Sort::Free, "{key}");
        }
    }
}
