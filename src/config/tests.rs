//! What is read, what is refused and in which words, and what then counts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::keys::KEYS;
use super::*;
use crate::domain::Error;

const FILE: &str = "/w/pools.toml";

fn parse(text: &str) -> Config {
    parse_in(text, Environment::default()).unwrap()
}

fn parse_in(text: &str, environment: Environment) -> crate::domain::Result<Config> {
    Config::parse(text, Path::new(FILE), environment)
}

fn problems(text: &str) -> Vec<String> {
    match parse_in(text, Environment::default()) {
        Err(Error::Config { problems }) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

/// The problems without the file's name.
fn said(text: &str) -> Vec<String> {
    let strip = |problem: String| problem.strip_prefix("/w/pools.toml:").unwrap().to_string();
    problems(text).into_iter().map(strip).collect()
}

fn settings(config: &Config, pool: Option<&str>) -> Settings {
    config.settings(pool, &Flags::default())
}

const EXAMPLE: &str = r#"
[defaults]
num_slots = 4
lock_timeout = 1.5
cleanup_timeout = "90"
on_fetch_failure = "use-cache"
rescue_expire = "never"
trash_limit = 1048576
jobs = 0x10
allow_network_filesystem = true

[pools.my-project]
repo_url = "https://user:token@example.com/team/my-project.git"
strategy = "worktree"
max_slots = 8
base = "main"
keep = ["node_modules/", "target/"]
keep_limit = "5G"
copy = [".env", "certs/"]
setup = "npm ci"
setup_inputs = ["package-lock.json"]
on_release = "./clean-up"
rescue = "commits"
lock_timeout = "1m"

[pools."other.one"]
repo_url = "../other"
"#;

#[test]
fn a_file_is_read_into_settings() {
    let config = parse(EXAMPLE);
    let common = settings(&config, None);
    assert_eq!(common.num_slots, 4);
    assert_eq!(common.lock_timeout, Duration::from_millis(1500));
    assert_eq!(common.cleanup_timeout, Duration::from_secs(90));
    assert_eq!(common.on_fetch_failure, OnFetchFailure::UseCache);
    assert_eq!(common.rescue_expire, None);
    assert_eq!((common.trash_limit, common.jobs), (1 << 20, 16));
    assert!(common.allow_network_filesystem);
    assert_eq!(settings(&config, Some("unknown")), common);

    let pool = settings(&config, Some("my-project"));
    assert_eq!((pool.num_slots, pool.max_slots), (4, Some(8)));
    assert_eq!(pool.base.as_deref(), Some("main"));
    assert_eq!(pool.keep, ["node_modules/", "target/"]);
    assert_eq!((pool.keep_limit, pool.copy.len()), (5 << 30, 2));
    assert_eq!(pool.setup.as_deref(), Some("npm ci"));
    assert_eq!(pool.setup_inputs, ["package-lock.json"]);
    assert_eq!(pool.setup_timeout, Duration::from_secs(1800));
    assert_eq!(pool.on_release.as_deref(), Some("./clean-up"));
    assert_eq!(pool.rescue, Rescue::Commits);
    assert_eq!(pool.lock_timeout, Duration::from_secs(60));
}

#[test]
fn declared_pools_come_in_the_order_of_the_file_with_their_lines() {
    let config = parse("[pools.b]\nrepo_url='/b'\n[pools.a]\nrepo_url='/a'\n");
    let declared: Vec<_> = config
        .declared()
        .map(|(name, pool)| (name, pool.line))
        .collect();
    assert_eq!(declared, [("b", 1), ("a", 3)]);
    assert_eq!(config.declared_pool("a").unwrap().url.stored(), "/a");
}

#[test]
fn a_relative_repository_starts_at_the_directory_of_the_file() {
    let config = parse(EXAMPLE);
    let pool = config.declared_pool("other.one").unwrap();
    assert_eq!(pool.url.stored(), "/w/../other");
}

#[test]
fn the_order_is_flag_environment_pool_defaults_built_in() {
    let environment = Environment::from_pairs([
        ("REPO_POOL_LOCK_TIMEOUT", "5s"),
        ("REPO_POOL_FETCH_MAX_AGE", "1h"),
    ]);
    let config = parse_in(EXAMPLE, environment).unwrap();
    let flags = Flags {
        fetch_max_age: Some(Duration::ZERO),
        ..Flags::default()
    };
    let effective = config.explain(Some("my-project"), &flags);
    let find = |key| effective.iter().find(|e| e.key == key).unwrap();
    let said = |key| (find(key).value.as_str(), find(key).origin.to_string());
    assert_eq!(said("fetch_max_age"), ("\"0s\"", "--fetch-max-age".into()));
    assert_eq!(
        said("lock_timeout"),
        ("\"5s\"", "$REPO_POOL_LOCK_TIMEOUT".into())
    );
    assert_eq!(
        said("rescue"),
        ("\"commits\"", "pools.toml:23 [pools.my-project]".into())
    );
    assert_eq!(said("num_slots"), ("4", "pools.toml:3 [defaults]".into()));
    assert_eq!(said("git_timeout"), ("\"5m\"", "built in".into()));
    let counts = config.settings(Some("my-project"), &flags);
    assert_eq!(counts.lock_timeout, Duration::from_secs(5));
    assert_eq!(counts.fetch_max_age, Duration::ZERO);
}

#[test]
fn secrets_of_a_url_are_neither_explained_nor_written() {
    let config = parse(EXAMPLE);
    let explained = format!(
        "{:?}",
        config.explain(Some("my-project"), &Flags::default())
    );
    let written = config.to_toml(&Flags::default());
    assert!(!explained.contains("token") && !written.contains("token"));
    assert!(explained.contains("example.com/team"));
    assert!(!format!("{config:?}").contains("token"));
}

#[test]
fn the_effective_settings_as_toml_read_back_to_the_same_settings() {
    let environment = Environment::from_pairs([
        ("REPO_POOL_GIT_TIMEOUT", "0.25"),
        ("REPO_POOL_MAX_SLOTS", "2"),
    ]);
    for text in [EXAMPLE, "", &template()] {
        let config = parse_in(text, environment.clone()).unwrap();
        let back = parse(&config.to_toml(&Flags::default()));
        assert_eq!(settings(&back, None), settings(&config, None));
        assert_eq!(back.declared().count(), config.declared().count());
        for (name, _) in config.declared() {
            assert_eq!(settings(&back, Some(name)), settings(&config, Some(name)));
        }
    }
}

#[test]
fn a_limit_from_elsewhere_never_takes_slots_from_a_pool() {
    let config = parse("[defaults]\nmax_slots = 4\n[pools.a]\nrepo_url = '/a'\nnum_slots = 6\n");
    assert_eq!(settings(&config, Some("a")).max_slots, Some(6));
    assert_eq!(settings(&config, None).max_slots, Some(4));
}

#[test]
fn every_problem_is_named_with_file_line_and_key() {
    let text = r#"num_slots = 3
[defaults]
num_slot = 3
lock_timeout = 0
git_timeout = "soon"
jobs = "4"
keep = ["../x", 3]
repo_url = "/x"
colour = 1
[pools.a]
num_slots = 0
enable_metrics = "yes"
allow_network_filesystem = true
[pools.A]
repo_url = "ext::sh -c id"
rescue = "some"
[pools."a b"]
repo_url = "https://u:secret@"
[pool.x]
"#;
    insta::assert_snapshot!(said(text).join("\n"), @r#"
    1: num_slots: belongs in [defaults] or [pools.NAME]
    3: defaults.num_slot: unknown key; did you mean num_slots?
    4: defaults.lock_timeout: 0 is too short (allowed: a duration like "30s" or "1h 30m", or seconds, more than 0)
    5: defaults.git_timeout: "soon" is no duration (allowed: a duration like "30s" or "1h 30m", or seconds, more than 0)
    6: defaults.jobs: "4" is a text (allowed: a whole number from 0 to 1024)
    7: defaults.keep: the list holds "../x", which holds "..", and a whole number (allowed: a list of patterns relative to the slot, without "..")
    8: defaults.repo_url: belongs in [pools.NAME]
    9: defaults.colour: unknown key (allowed: num_slots, max_slots, filter, depth, sparse, lfs, submodules, keep, keep_limit, copy, setup_timeout, lock_timeout, cleanup_timeout, git_timeout, stale_after, fetch_on_allocate, fetch_max_age, on_fetch_failure, clean_on_release, background_cleanup, rescue, rescue_expire, trash_limit, warmup_enabled, jobs, enable_metrics, ports, ports_per_slot, allow_network_filesystem)
    10: pools.a: repo_url is missing
    11: pools.a.num_slots: 0 is out of range (allowed: a whole number from 1 to 10000)
    12: pools.a.enable_metrics: "yes" is a text (allowed: true or false)
    13: pools.a.allow_network_filesystem: belongs in [defaults]
    15: pools.A.repo_url: ext::sh -c id can't be a repository's URL: it names a remote helper ('::'), which runs a program
    16: pools.A.rescue: "some" is not known (allowed: "all", "commits", "off")
    17: pools."a b": "a b" can't be a pool's name: it holds ' ' (allowed: letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 64)
    18: pools."a b".repo_url: https:// can't be a repository's URL: it names no host
    19: pool: unknown table; did you mean pools?
    "#);
}

#[test]
fn commands_are_a_pools_and_stay_in_the_file() {
    let told = said("[defaults]\nsetup = 'id'\non_release = 'id'\n");
    let wrong = "belongs in [pools.NAME]";
    assert_eq!(
        told,
        [
            format!("2: defaults.setup: {wrong}"),
            format!("3: defaults.on_release: {wrong}")
        ]
    );
    let text = "[pools.a]\nrepo_url = '/a'\nsetup = ' '\ncopy = ['/etc', 'a/../b', '.git/x']\n";
    insta::assert_snapshot!(said(text).join("\n"), @r#"
    3: pools.a.setup: " " is empty (allowed: a command for sh)
    4: pools.a.copy: the list holds "/etc", which is absolute; paths are relative, and "a/../b", which holds "..", and ".git/x", which has a part that is empty, "." or ".git" (allowed: a list of paths below the pool's files/, without "..")
    "#);
    let environment = Environment::from_pairs([("REPO_POOL_SETUP", "id")]);
    let config = parse_in("[pools.a]\nrepo_url = '/a'\n", environment).unwrap();
    assert_eq!(settings(&config, Some("a")).setup, None);
}

#[test]
fn contradicting_counts_and_names_are_refused() {
    assert_eq!(
        said("[pools.a]\nrepo_url = '/a'\nmax_slots = 1\n"),
        ["3: pools.a.max_slots: 1 is less than num_slots, which is 2"]
    );
    assert_eq!(
        said("[pools.a]\nrepo_url = '/a'\n[pools.A]\nrepo_url = '/b'\n"),
        ["3: pools.A: differs from a of line 1 in case only"]
    );
}

#[test]
fn a_broken_line_is_complained_of_once_and_the_others_still_are() {
    let text = "[defaults]\ngit_timeout = 30s\nnum_slots = 0\n[pools.a]\nrepo_url https://x\n";
    insta::assert_snapshot!(said(text).join("\n"), @r#"
    2: git_timeout: not valid TOML: string values must be quoted, expected literal string
    3: defaults.num_slots: 0 is out of range (allowed: a whole number from 1 to 10000)
    5: not valid TOML: key with no value, expected `=`
    "#);
    insta::assert_snapshot!(said("[defaults]\njobs = 1\njobs = 2\n").join("\n"), @"3: jobs: not valid TOML: duplicate key");
}

#[test]
fn problems_of_file_and_environment_come_together() {
    let environment = Environment::from_pairs([("REPO_POOL_JOBS", "many")]);
    let Err(Error::Config { problems }) = parse_in("x = 1", environment) else {
        panic!("was taken");
    };
    assert_eq!(problems.len(), 2);
    assert!(problems[1].starts_with("$REPO_POOL_JOBS: \"many\" is no whole number"));
}

#[test]
fn a_missing_file_is_an_empty_one_unless_it_was_named() {
    let path = PathBuf::from("/nonexistent/pools.toml");
    let config = Config::load(&path, false, Environment::default()).unwrap();
    assert!(!config.file_exists());
    assert_eq!(settings(&config, None), Settings::default());
    let error = Config::load(&path, true, Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/pools.toml: there is no such file"
    );
    assert!(matches!(error, Error::Config { .. }));
}

#[test]
fn what_is_no_text_file_is_refused() {
    use std::io::Write as _;
    let error = Config::load(Path::new("/"), true, Environment::default()).unwrap_err();
    assert_eq!(error.to_string(), "/: is not a file");
    let error = Config::load(Path::new("/dev/zero"), true, Environment::default()).unwrap_err();
    assert_eq!(error.to_string(), "/dev/zero: is larger than 1 MiB");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[defaults]\n# \xff\n").unwrap();
    let error = Config::load(file.path(), false, Environment::default()).unwrap_err();
    assert!(
        error.to_string().ends_with(":2: is not in UTF-8"),
        "{error}"
    );
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_are_no_problem() {
    let config = parse("\u{feff}[defaults]\r\njobs = 2\r\n");
    assert_eq!(settings(&config, None).jobs, 2);
}

/// Lines that look like those of the file, right and wrong.
fn some_line() -> impl Strategy<Value = String> {
    let names = KEYS.iter().map(|key| key.name);
    let values = KEYS.iter().filter_map(|key| key.default.or(key.example));
    let value = prop_oneof![
        proptest::sample::select(values.collect::<Vec<_>>()).prop_map(String::from),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        ".{0,8}",
        "\"[ -~]{0,8}\"",
        Just("[[1], {a = 2}]".to_string()),
        Just("1979-05-27T07:32:00Z".to_string()),
    ];
    prop_oneof![
        (proptest::sample::select(names.collect::<Vec<_>>()), value)
            .prop_map(|(name, value)| format!("{name} = {value}")),
        Just("[defaults]".to_string()),
        "\\[{1,2}pools\\.[a-zA-Z\". ]{0,3}\\]{1,2}",
        Just("repo_url = '/a'".to_string()),
        ".{0,12}",
    ]
}

fn holds_for(text: &str) -> Result<(), TestCaseError> {
    match parse_in(text, Environment::default()) {
        Ok(config) => {
            let back = parse_in(&config.to_toml(&Flags::default()), Environment::default());
            let back = back.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(settings(&back, None), settings(&config, None));
            for (name, _) in config.declared() {
                prop_assert_eq!(settings(&back, Some(name)), settings(&config, Some(name)));
            }
        }
        Err(Error::Config { problems }) => {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                let rest = problem.strip_prefix("/w/pools.toml:").unwrap_or_default();
                let line = rest.split(':').next().unwrap_or_default().parse::<usize>();
                prop_assert!(line.is_ok_and(|line| line >= 1), "{}", problem);
                prop_assert!(!problem.chars().any(char::is_control), "{:?}", problem);
            }
        }
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_with_lines(text in "(?s).{0,200}") {
        holds_for(&text)?;
    }

    #[test]
    fn any_lines_are_taken_or_refused_with_lines(lines in proptest::collection::vec(some_line(), 0..12)) {
        holds_for(&lines.join("\n"))?;
    }

    #[test]
    fn any_bytes_in_a_file_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let _ = Config::load(file.path(), false, Environment::default());
    }
}
