//! The command line of `docker run`, and the file of variables that goes with it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::dispatch::driven::order::Order;
use crate::domain::dispatch::agents::Docker;

/// The label with the run's name.
pub const RUN: &str = "repo-pool.run";
/// The label with the attempt's directory.
pub const ATTEMPT: &str = "repo-pool.attempt";
/// The label with the time at which it was begun: no other attempt has both.
pub const BEGUN: &str = "repo-pool.begun";

/// The longest value that a file of variables can hold, with room to spare.
const LONGEST_LINE: usize = 32 * 1024;

/// Who is asked to run something.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What is to be run.
#[derive(Debug)]
pub struct Words {
    /// The words after `docker`.
    pub words: Vec<String>,
    /// The content of the file of variables.
    pub file: String,
    /// Those that no such file can hold: the client finds them in its own environment.
    pub handed_on: Vec<(String, String)>,
}

/// For this order; `file` is where the variables will be.
pub fn of(order: &Order, settings: &Docker, caller: Caller, file: &Path) -> Words {
    let mut words: Vec<String> = ["run", "-d", "--init", "--pull", "never"]
        .map(str::to_owned)
        .into();
    let mut put = |name: &str, value: String| words.extend([name.to_owned(), value]);
    put("--name", order.runner.clone());
    for (label, value) in labels(order) {
        put("--label", format!("{label}={value}"));
    }
    put("--stop-timeout", "10".to_owned());
    if let Some(network) = &settings.network {
        put("--network", network.clone());
    }
    let own = || format!("{}:{}", caller.uid, caller.gid);
    put("--user", settings.user.clone().unwrap_or_else(own));
    if order.cpu > 0 {
        put(
            "--cpus",
            format!("{:.3}", f64::from(order.cpu.max(10)) / 1000.0),
        );
    }
    if order.memory > 0 {
        put("--memory", order.memory.to_string());
        // No swap besides.
        put("--memory-swap", order.memory.to_string());
    }
    put("--pids-limit", settings.pids_limit.to_string());
    // The output is copied from the daemon's record, which must hold all of it.
    if !settings
        .arguments
        .iter()
        .any(|word| word.starts_with("--log-"))
    {
        put("--log-driver", "json-file".to_owned());
        put("--log-opt", "max-size=1000g".to_owned());
    }
    for place in places(order) {
        put("--mount", mount(&place));
    }
    put("--workdir", order.workdir.to_string_lossy().into_owned());
    put("--env-file", file.to_string_lossy().into_owned());
    let variables = variables(order, settings, caller);
    let (plain, handed_on): (Vec<_>, Vec<_>) = variables
        .into_iter()
        .partition(|(name, value)| is_plain(name, value));
    for (name, _) in &handed_on {
        put("--env", name.clone());
    }
    words.extend(settings.arguments.iter().cloned());
    words.push(settings.image.clone());
    words.extend(order.command.iter().cloned());
    let mut content = String::new();
    for (name, value) in plain {
        let _ = writeln!(content, "{name}={value}");
    }
    Words {
        words,
        file: content,
        handed_on,
    }
}

/// What its container is known by.
pub fn labels(order: &Order) -> [(&'static str, String); 3] {
    [
        (RUN, order.run().to_owned()),
        (ATTEMPT, order.dir.to_string_lossy().into_owned()),
        (BEGUN, order.begun.to_string()),
    ]
}

/// The directories that are in the container what they are outside: where it works, what git needs
/// there, and the attempt's own.
pub fn places(order: &Order) -> Vec<PathBuf> {
    let shared = order.shared.iter().cloned();
    let mut places: Vec<PathBuf> = [order.workdir.clone(), order.dir.clone()].into();
    places.extend(shared);
    places
}

/// The directory that is the home of whoever has none in the container.
pub fn home(order: &Order) -> PathBuf {
    order.dir.join("home")
}

/// As docker reads it: comma-separated values.
pub fn mount(place: &Path) -> String {
    let place = place.to_string_lossy();
    let field = |name: &str| {
        let field = format!("{name}={place}");
        match field.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field,
        }
    };
    format!("type=bind,{},{}", field("source"), field("target"))
}

fn variables(order: &Order, settings: &Docker, caller: Caller) -> BTreeMap<String, String> {
    let mut env = order.env.clone();
    // Root has a home in every image; anybody else has at most one of the image's user's.
    if settings.user.is_none() && caller.uid != 0 {
        let home = home(order).to_string_lossy().into_owned();
        env.entry("HOME".to_owned()).or_insert(home);
    }
    // To git, what belongs to somebody else is suspicious; here it is what was mounted.
    let count = env
        .get("GIT_CONFIG_COUNT")
        .and_then(|count| count.parse().ok());
    let count: u32 = count.unwrap_or(0);
    env.insert("GIT_CONFIG_COUNT".to_owned(), (count + 1).to_string());
    env.insert(
        format!("GIT_CONFIG_KEY_{count}"),
        "safe.directory".to_owned(),
    );
    env.insert(format!("GIT_CONFIG_VALUE_{count}"), "*".to_owned());
    env
}

/// Whether a line of a file of variables can say it.
fn is_plain(name: &str, value: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    !name.starts_with('#')
        && !name.contains(odd)
        && name.len() + value.len() < LONGEST_LINE
        && !value.contains(['\n', '\r', '\u{feff}'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dispatch::agents::Engine;
    use crate::domain::dispatch::event::AttemptId;

    fn order(settings: &Docker) -> Order {
        Order {
            timeout: None,
            stall: None,
            engine: Engine::Docker(settings.clone()),
            surroundings: BTreeMap::new(),
            runner: "rp-run-a-a1".into(),
            attempt: AttemptId {
                task: "a".into(),
                attempt: 1,
                token: 3,
            },
            dir: "/w/attempts/a/1".into(),
            command: vec!["agent".into(), "--task".into()],
            workdir: "/w/slot, 1".into(),
            slot: None,
            shared: vec!["/w/repo.git".into()],
            env: [
                ("REPO_POOL_RUN_ID", "run"),
                ("LINES", "a\nb"),
                ("TOKEN", "a b"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            cpu: 1500,
            memory: 64 << 20,
            begun: "2026-11-21T12:00:00Z".parse().unwrap(),
            time: None,
            taken_up: 0,
            over: false,
        }
    }

    const CALLER: Caller = Caller {
        uid: 1000,
        gid: 100,
    };

    #[test]
    fn a_container_has_the_same_paths_and_no_more_than_it_asked_for() {
        let settings = Docker {
            image: "team/runner:1".into(),
            network: Some("none".into()),
            arguments: vec!["--read-only".into()],
            ..Docker::default()
        };
        let made = of(&order(&settings), &settings, CALLER, Path::new("/w/env"));
        let line = made.words.join(" ");
        for part in [
            "--user 1000:100 --cpus 1.500 --memory 67108864 --memory-swap 67108864 --pids-limit 512",
            "--mount type=bind,\"source=/w/slot, 1\",\"target=/w/slot, 1\"",
            "--mount type=bind,source=/w/attempts/a/1,target=/w/attempts/a/1",
            "--mount type=bind,source=/w/repo.git,target=/w/repo.git",
            "--label repo-pool.begun=2026-11-21T12:00:00Z",
            "--read-only team/runner:1 agent --task",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn no_value_is_on_the_command_line_and_each_is_handed_over_whole() {
        let settings = Docker::default();
        let made = of(&order(&settings), &settings, CALLER, Path::new("/w/env"));
        assert!(!made.words.iter().any(|word| word.contains("a b")));
        assert!(
            made.file.contains("TOKEN=a b\n") && made.file.contains("HOME=/w/attempts/a/1/home\n")
        );
        assert_eq!(made.handed_on, [("LINES".to_owned(), "a\nb".to_owned())]);
        assert!(made.words.windows(2).any(|pair| pair == ["--env", "LINES"]));
        assert!(made.file.contains("GIT_CONFIG_KEY_0=safe.directory\n"));
    }
}
