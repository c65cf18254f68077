//! Completion in real shells: verbs, options, and the names of what there is.

use crate::support::{Call, Terminal, World, in_path, say};
use std::path::PathBuf;

/// A world with pools and slots to be named, a slot that is held, and work that was saved.
fn scene() -> (World, String) {
    let (world, remote) = World::with_pool(3);
    world.git(&remote.path, "branch fix/theirs main");
    world.git(&remote.path, "tag fix-1 main");
    world.pool("warm p").ok();
    world
        .pool(format!("create other-pool {} -n 1", remote.url()))
        .ok();
    let dir = world
        .pool("allocate p --no-fetch --owner me --branch fix/mine")
        .ok()
        .path();
    std::fs::write(dir.join("draft.txt"), "draft").expect("writing");
    world.pool("release p/slot1").ok();
    world.pool("allocate p --no-fetch --owner me").ok();
    let rescues = world.pool("rescue list --json").ok().json();
    let id = rescues["rescues"][0]["rescue_id"].as_str().expect("an id");
    (world, id.to_owned())
}

/// What is completed by what, in every shell. A last word that is empty is asked for.
fn cases(rescue: &str) -> Vec<(&'static str, Vec<String>)> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    vec![
        ("rel", words("release")),
        ("allocate --fe", words("--fetch-max-age")),
        ("remove-slot --fo", words("--force")),
        ("recover --only dead", words("dead_owner")),
        ("config sh", words("show")),
        ("config show --to", words("--toml")),
        ("allocate ", words("other-pool p")),
        ("exec o", words("other-pool")),
        ("status other-pool/", words("other-pool/slot1")),
        ("release ", words("p/slot1")),
        ("isolate p/", words("p/slot2 p/slot3")),
        ("-q remove-slot o", words("other-pool/slot1")),
        ("rescue show ", vec![rescue.to_owned()]),
        ("rescue restore --into ", words("p/slot1")),
        ("allocate p --ref fi", words("fix-1 fix/theirs")),
        ("exec --branch fi", Vec::new()),
        ("exec p --branch fi", words("fix/mine fix/theirs")),
        ("allocate p --ref HE", Vec::new()),
        ("log -n 3 oth", words("other-pool other-pool/slot1")),
        ("--workspace ws remove-pool ", words("other-pool p")),
        ("--workspace nowhere remove-pool o", Vec::new()),
    ]
}

/// The script that the program prints, in a file.
fn script(world: &World, shell: &str, name: &str) -> PathBuf {
    let file = world.path(name);
    let script = world.pool(["completions", shell]);
    std::fs::write(&file, &script.ok().stdout).expect("writing");
    file
}

/// What a shell says that a line can go on with.
#[track_caller]
fn check(world: &World, rescue: &str, shell: &str, complete: impl Fn(&str) -> Vec<String>) {
    for (line, wanted) in cases(rescue) {
        let mut found = complete(line);
        // What there is no name for is an option.
        if wanted.is_empty() {
            found.retain(|word| !word.starts_with('-'));
        }
        assert_eq!(found, wanted, "{shell}: {line:?}");
    }
    assert!(
        world.pool("status --check").code == 0,
        "nothing was disturbed"
    );
}

const BASH: &str = r#"
    source "$1"; shift
    [[ $(complete -p repo-pool) =~ -F\ ([^ ]+) ]]
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    "${BASH_REMATCH[1]}" repo-pool "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
    printf '%s\n' "${COMPREPLY[@]}"
"#;

fn in_bash(world: &World, file: &std::path::Path, words: &[&str]) -> Vec<String> {
    let mut command = world.shell("bash");
    command
        .args(["--norc", "-c", BASH, "bash"])
        .arg(file)
        .args(words);
    let out = Call::new(command).run();
    let lines = out.ok().stdout.lines();
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Section 3: bash.
#[test]
fn bash_completes_names() {
    let (world, rescue) = scene();
    let file = script(&world, "bash", "repo-pool.bash");
    check(&world, &rescue, "bash", |line| {
        let line = format!("repo-pool {line}");
        in_bash(&world, &file, &line.split(' ').collect::<Vec<_>>())
    });
    // What bash takes apart.
    let found = in_bash(&world, &file, &["repo-pool", "--color", "=", "al"]);
    assert_eq!(found, ["always"]);
    let found = in_bash(&world, &file, &["repo-pool", "--workspace", "=", "w"]);
    assert_eq!(found, ["ws"]);
    let found = in_bash(&world, &file, &["repo-pool", "exec", "p", "--", "dirnam"]);
    assert!(found.contains(&"dirname".to_owned()), "{found:?}");
}

/// Section 3: fish, which shows what a name stands for as well.
#[test]
fn fish_completes_names() {
    if !in_path("fish") {
        return say("fish is not installed");
    }
    let (world, rescue) = scene();
    let file = script(&world, "fish", "repo-pool.fish");
    let complete = |line: &str| {
        let mut command = world.shell("fish");
        let asked = "source $argv[1]; complete --do-complete $argv[2]";
        command
            .args(["--no-config", "-c", asked])
            .arg(&file)
            .arg(line);
        let out = Call::new(command).run();
        out.ok()
            .stdout
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let words = |line: &str| {
        let found = complete(line).into_iter();
        let word = |line: String| line.split('\t').next().unwrap_or_default().to_owned();
        found.map(word).collect::<Vec<_>>()
    };
    check(&world, &rescue, "fish", |line| {
        words(&format!("repo-pool {line}"))
    });
    assert_eq!(
        complete("repo-pool exec o"),
        ["other-pool\t1 of 1 slot available"]
    );
    assert_eq!(complete("repo-pool release "), ["p/slot1\tallocated, me"]);
    assert_eq!(words("repo-pool --color=al"), ["--color=always"]);
    assert_eq!(words("repo-pool --workspace=./w"), ["--workspace=./ws/"]);
    assert!(words("repo-pool exec p -- dirnam").contains(&"dirname".to_owned()));
}

/// Section 3: zsh, at a terminal as it needs one.
#[test]
fn zsh_completes_names() {
    if !in_path("zsh") {
        return say("zsh is not installed");
    }
    let (world, rescue) = scene();
    script(&world, "zsh", "_repo-pool");
    let mut command = world.shell("zsh");
    command.args(["-f", "-i"]);
    let terminal = Terminal::start(command, 200, 50);
    let dump = world.path("dump").display().to_string();
    let place = world.path("").display().to_string();
    let run = |line: &str, wanted: &str| {
        let from = terminal.seen().len();
        terminal.keys(line);
        terminal.until(from, |new| new.contains(wanted))[from..].to_owned()
    };
    run(
        &format!(
            "PS1=; fpath=({place} $fpath); autoload -Uz compinit; compinit -u -d {dump}; setopt nobeep nolistambiguous; bindkey -e; bindkey '^T' list-choices; print re''ady\n"
        ),
        "ready",
    );
    for (line, wanted) in cases(&rescue) {
        let line = format!("repo-pool {line}");
        // The line is printed instead of being run: as it is after Tab where one word can follow, else
        // as it was.
        let (key, printed) = match &wanted[..] {
            [one] => {
                let (before, _) = line.rsplit_once(' ').expect("words");
                ('\t', format!("<{before} {one}>"))
            }
            _ => ('\x14', format!("<{}>", line.trim_end())),
        };
        let from = terminal.seen().len();
        terminal.keys(&format!("{line}{key}\x01print -r -- '<'\x05'>'\n"));
        let seen = terminal.until(from, |new| new.replace(" >", ">").contains(&printed));
        for word in &wanted {
            assert!(seen[from..].contains(word), "{line}: {:?}", &seen[from..]);
        }
    }
    terminal.keys("exit\n");
    terminal.finish();
}

/// Section 3: asking takes no lock, runs no git, and says nothing of what is wrong.
#[test]
fn completing_needs_neither_locks_nor_git() {
    let (world, rescue) = scene();
    let _locks = ["pool.lock", "slot1.lock"].map(|lock| world.hold(lock));
    let ask = |words: &[&str], index: usize| {
        let index = index.to_string();
        let fixed = ["__complete", "zsh", &index, "--", "repo-pool"];
        let words: Vec<String> = fixed
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect();
        let out = world.call(words).env("PATH", "/nowhere").run();
        assert_eq!(out.ok().stderr, "", "{out}");
        out.stdout
    };
    assert!(ask(&["release", ""], 2).contains("p/slot1"));
    assert!(ask(&["rescue", "show", ""], 3).contains(&rescue));
    world.git(&world.bare("p"), "pack-refs --all");
    assert!(ask(&["rescue", "show", ""], 3).contains(&rescue));
    std::fs::write(world.pool_dir("p").join("pool.json"), "{ broken").expect("writing");
    let found = ask(&["status", ""], 2);
    assert!(
        found.contains("\np\n") && found.contains("other-pool/slot1"),
        "{found}"
    );
    std::fs::write(world.workspace().join("pools.toml"), "broken = [").expect("writing");
    assert!(ask(&["status", ""], 2).contains("other-pool"));
    for words in [
        &["__complete"][..],
        &["__complete", "zsh", "9999999999999999999999"],
    ] {
        let words = words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>();
        let out = world.call(words).run();
        assert_eq!(
            (out.code, out.stdout.as_str(), out.stderr.as_str()),
            (0, "", "")
        );
    }
}

/// Section 4: the labels of owners are shown beside the slots, and drive no terminal.
#[test]
fn what_is_said_of_names_is_harmless() {
    let (world, _remote) = World::with_pool(1);
    world
        .pool([
            "allocate",
            "p",
            "--no-fetch",
            "--owner",
            "me\x1b[31m\ttab\nline",
        ])
        .ok();
    let words = ["__complete", "fish", "2", "--", "repo-pool", "release", ""];
    let out = world.pool(words.map(str::to_owned).to_vec());
    assert_eq!(
        out.ok().stdout,
        "words\np/slot1\tallocated, me\\x1b[31m\\ttab\\nline\n"
    );
}

/// Section 3: the function of `shell-init` is completed as `allocate` is.
#[test]
fn the_shell_function_completes_pools() {
    let (world, _) = scene();
    let file = world.path("init.bash");
    std::fs::write(&file, &world.pool("shell-init bash").ok().stdout).expect("writing");
    let script = BASH.replace("complete -p repo-pool", "complete -p rp");
    let ask = |words: &[&str]| {
        let mut command = world.shell("bash");
        command
            .args(["--norc", "-c", &script, "bash"])
            .arg(&file)
            .args(words);
        let out = Call::new(command).run();
        out.ok()
            .stdout
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(&["rp", ""]), ["other-pool", "p"]);
    assert_eq!(ask(&["rp", "p", "--no-f"]), ["--no-fetch"]);
    if in_path("fish") {
        let mut command = world.shell("fish");
        let asked = "repo-pool shell-init fish | source; complete --do-complete 'rp o'";
        command.args(["--no-config", "-c", asked]);
        let out = Call::new(command).run();
        assert_eq!(out.ok().stdout, "other-pool\t1 of 1 slot available\n");
    }
}
