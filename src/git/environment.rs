//! Which variables reach git: none of the `GIT_*` ones but those named here.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::domain::remote;

/// Which configuration files git reads is the caller's business everywhere.
const ENVIRONMENT_KEPT: [&str; 3] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

/// How private remotes are reached: beginnings of names that clone, fetch and ls-remote keep.
const NETWORK_KEPT: [&str; 11] = [
    "GIT_SSH",
    "GIT_ASKPASS",
    "GIT_SSL_",
    "GIT_PROXY_",
    "GIT_HTTP_",
    "GIT_PROTOCOL",
    "GIT_ALLOW_PROTOCOL",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "GIT_CONFIG_PARAMETERS",
];

/// What makes git work on another repository than the one it is run in, as it does for the commands
/// that hooks run.
pub const ELSEWHERE: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_PREFIX",
];

/// Where programs are looked for when nothing is said about it.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `PATH` without relative entries, which would mean the current directory; so would an empty one.
pub(super) fn safe_path(path: Option<&OsStr>) -> OsString {
    let entries = std::env::split_paths(path.unwrap_or_default());
    let kept = entries.filter(|entry| entry.is_absolute());
    match std::env::join_paths(kept) {
        Ok(path) if !path.is_empty() => path,
        _ => USUAL_PATH.into(),
    }
}

/// Names and values.
pub(super) type Variables = Vec<(OsString, OsString)>;

/// The environment of local commands, and of those that talk to a remote.
pub(super) fn environments(all: &[(OsString, OsString)], path: &OsStr) -> (Variables, Variables) {
    let is_git = |key: &OsStr| key.as_encoded_bytes().starts_with(b"GIT_");
    let dropped = ["PATH", "LC_ALL", "LANGUAGE", "GCM_INTERACTIVE"];
    let mut local: Variables = all
        .iter()
        .filter(|(key, _)| !dropped.iter().any(|name| key == name))
        .filter(|(key, _)| !is_git(key) || ENVIRONMENT_KEPT.iter().any(|kept| key == kept))
        .cloned()
        .collect();
    local.extend(
        [
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GCM_INTERACTIVE", "never"),
        ]
        .map(|(key, value)| (key.into(), value.into())),
    );
    local.push(("PATH".into(), path.to_owned()));
    let mut network = local.clone();
    let kept = |key: &OsStr| {
        NETWORK_KEPT
            .iter()
            .any(|begin| key.as_encoded_bytes().starts_with(begin.as_bytes()))
    };
    network.extend(all.iter().filter(|(key, _)| kept(key)).cloned());
    (local, network)
}

/// The files of the user's and the machine's own that can say how files are checked out. Files that
/// they include are not looked for.
pub(super) fn config_files(environment: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| PathBuf::from(value))
            .filter(|path| path.is_absolute())
    };
    let home = variable("HOME");
    let below = |name: &str| home.as_ref().map(|home| home.join(name));
    let own = variable("XDG_CONFIG_HOME").or_else(|| below(".config"));
    let own = |name: &str| own.as_ref().map(|own| own.join("git").join(name));
    let global = match variable("GIT_CONFIG_GLOBAL") {
        Some(file) => vec![Some(file)],
        None => vec![below(".gitconfig"), own("config")],
    };
    let system = variable("GIT_CONFIG_SYSTEM").unwrap_or_else(|| "/etc/gitconfig".into());
    let rest = [
        own("attributes"),
        Some(system),
        Some("/etc/gitattributes".into()),
    ];
    global.into_iter().chain(rest).flatten().collect()
}

/// The variables that make git use the URL with its secret where it is given the one without:
/// an `insteadOf` behind whatever `GIT_CONFIG_COUNT` the caller has.
pub(super) fn secret_environment(
    url: &remote::RemoteUrl,
    environment: &[(OsString, OsString)],
) -> Variables {
    let Some(secret) = url.secret() else {
        return Vec::new();
    };
    let count: usize = environment
        .iter()
        .find(|(key, _)| key == "GIT_CONFIG_COUNT")
        .and_then(|(_, value)| value.to_str()?.parse().ok())
        .unwrap_or(0);
    vec![
        (
            format!("GIT_CONFIG_KEY_{count}").into(),
            format!("url.{secret}.insteadOf").into(),
        ),
        (
            format!("GIT_CONFIG_VALUE_{count}").into(),
            url.stored().into(),
        ),
        ("GIT_CONFIG_COUNT".into(), (count + 1).to_string().into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(k, v)| (k.into(), v.into())).collect()
    }

    #[test]
    fn hostile_variables_never_reach_git_and_network_ones_only_where_they_belong() {
        let all = variables(&[
            ("GIT_DIR", "/x"),
            ("GIT_WORK_TREE", "/y"),
            ("GIT_CONFIG_GLOBAL", "/g"),
            ("GIT_SSH_COMMAND", "s"),
            ("GIT_CONFIG_COUNT", "1"),
            ("HOME", "/h"),
            ("LC_ALL", "de_DE"),
        ]);
        let (local, network) = environments(&all, OsStr::new("/bin"));
        let has = |list: &Variables, name: &str| list.iter().any(|(key, _)| key == name);
        for name in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_COUNT",
        ] {
            assert!(!has(&local, name), "{name}");
        }
        assert!(has(&local, "GIT_CONFIG_GLOBAL") && has(&local, "HOME"));
        assert!(has(&network, "GIT_SSH_COMMAND") && has(&network, "GIT_CONFIG_COUNT"));
        assert!(!has(&network, "GIT_DIR"));
        assert_eq!(local.iter().filter(|(key, _)| key == "LC_ALL").count(), 1);
    }

    #[test]
    fn the_users_config_is_where_git_looks_for_it() {
        let files = |pairs: &[(&str, &str)]| config_files(&variables(pairs));
        let usual = files(&[("HOME", "/h")]);
        assert!(usual.contains(&"/h/.gitconfig".into()));
        assert!(usual.contains(&"/h/.config/git/attributes".into()));
        let chosen = files(&[("HOME", "/h"), ("GIT_CONFIG_GLOBAL", "/g")]);
        assert!(chosen.contains(&"/g".into()) && !chosen.contains(&"/h/.gitconfig".into()));
        let moved = files(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]);
        assert!(moved.contains(&"/x/git/config".into()));
    }

    #[test]
    fn relative_entries_leave_the_path() {
        let safe = |path| safe_path(Some(OsStr::new(path)));
        assert_eq!(safe(".:/bin::x:/usr/bin"), "/bin:/usr/bin");
        for nothing in ["", ".", "::", "bin:./x"] {
            assert_eq!(safe(nothing), USUAL_PATH);
        }
        assert_eq!(safe_path(None), USUAL_PATH);
    }

    #[test]
    fn a_secret_goes_behind_the_callers_own_settings() {
        let url = remote::RemoteUrl::new("https://u:p@h/x").unwrap();
        let set = secret_environment(&url, &variables(&[("GIT_CONFIG_COUNT", "2")]));
        assert_eq!(set[0].0, "GIT_CONFIG_KEY_2");
        assert_eq!(set[2].1, "3");
    }
}
