use std::collections::BTreeSet;

use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    parse_from(std::iter::once("repo-pool").chain(line.split_whitespace()))
}

fn refused(line: &str) -> clap::Error {
    let error = parse(line).expect_err(line);
    assert_eq!(error.exit_code(), 2, "{line}");
    error
}

#[test]
fn the_grammar_is_sound() {
    command().debug_assert();
}

#[test]
fn the_version_is_the_crates() {
    let error = parse("--version").unwrap_err();
    assert_eq!(error.exit_code(), 0);
    let expected = format!("repo-pool {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(error.to_string(), expected);
}

/// What comes of a command line, in words.
fn outcome(parsed: Result<Cli, clap::Error>) -> Result<String, String> {
    parsed
        .map(|cli| format!("{cli:?}"))
        .map_err(|error| format!("{:?}: {error}", error.kind()))
}

#[test]
fn the_short_way_takes_what_the_whole_grammar_takes() {
    let tricky = [
        "",
        "--version",
        "-V",
        "-V --json",
        "--help",
        "-h",
        "help",
        "--json",
        "list --version",
        "list --help",
        "list -h",
        "status help",
        "--workspace release status p",
        "--workspace release release p/slot1",
        "--workspace status list",
        "--workspace=release list",
        "--workspace exec allocate exec",
        "exec list -- list --json",
        "exec p -- --version",
        "log status",
        "-- list",
        "-qv list",
        "list list",
        "rescue",
        "rescue list p",
        "rescue drop a b",
        "rescue --help",
        "config show --toml",
        "rescue show list",
        "--color never --json list --json",
        "list --json --json",
        "lists",
        "-x list",
        "--jso list",
    ];
    let examples = GROUPS
        .iter()
        .flat_map(|group| group.verbs)
        .filter_map(|verb| topic(verb))
        .flat_map(|topic| topic.examples)
        .map(|(line, _)| words_of_example(line));
    let tricky = tricky.map(|line| {
        let words = ["repo-pool"].into_iter().chain(line.split_whitespace());
        words.map(str::to_owned).collect::<Vec<_>>()
    });
    for words in examples.chain(tricky) {
        let args: Vec<OsString> = words.iter().map(Into::into).collect();
        let short = parse_from(args.clone());
        assert_eq!(
            outcome(short),
            outcome(parse_by_the_whole(args)),
            "{words:?}"
        );
    }
}

#[test]
fn right_command_lines_need_no_more_than_the_short_way() {
    for line in [
        "--version",
        "list",
        "--json status p",
        "--workspace /w -v allocate p --no-fetch",
        "exec p -- status",
        "rescue list",
    ] {
        let words = ["repo-pool"].into_iter().chain(line.split_whitespace());
        let args: Vec<OsString> = words.map(Into::into).collect();
        assert!(short::parse(&args).is_some(), "{line}");
    }
}

#[test]
fn every_verb_is_in_one_group_and_has_a_topic() {
    let command = command();
    let verbs: BTreeSet<&str> = command.get_subcommands().map(|c| c.get_name()).collect();
    let grouped: Vec<&str> = GROUPS.iter().flat_map(|g| g.verbs).copied().collect();
    assert_eq!(grouped.len(), verbs.len());
    assert_eq!(grouped.into_iter().collect::<BTreeSet<_>>(), verbs);
    for verb in verbs {
        let topic = topic(verb).unwrap_or_else(|| panic!("no topic for {verb}"));
        assert!((1..=4).contains(&topic.examples.len()), "{verb}");
    }
}

/// The words of a shell line from `repo-pool` to the end of that command, quotes taken away.
fn words_of_example(line: &str) -> Vec<String> {
    let start = line.find("repo-pool").expect(line);
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line[start..].replace("$$", "42").chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '|' | '>' | '&' | ')' | ';') => break,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().expect("one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_example_of_the_help_parses() {
    let verbs = GROUPS.iter().flat_map(|group| group.verbs);
    for topic in verbs.chain(&["dispatch run"]).filter_map(|v| topic(v)) {
        for (line, _) in topic.examples {
            let words = words_of_example(line);
            assert!(parse_from(&words).is_ok(), "{line}: {words:?}");
        }
    }
}

#[test]
fn help_texts_fit_a_terminal_of_80_columns() {
    let mut command = command().term_width(80);
    command.build();
    for verb in command.get_subcommands_mut() {
        let text = verb.render_long_help().to_string();
        let examples = text.split("\nExamples:\n").nth(1).unwrap_or("");
        let wide = examples.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{}", verb.get_name());
    }
    let text = command.render_long_help().to_string();
    let wide = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
}

#[test]
fn global_options_stand_before_or_after_the_verb() {
    for line in [
        "--json -vv --lock-timeout 2m --workspace /w --color never status p",
        "status --json -vv --lock-timeout 2m p --workspace /w --color never",
    ] {
        let global = parse(line).expect(line).global;
        assert!(global.json, "{line}");
        assert_eq!(global.verbose, 2, "{line}");
        assert_eq!(global.lock_timeout, Some(Duration::from_secs(120)));
        assert_eq!(global.workspace, Some(PathBuf::from("/w")));
        assert_eq!(global.color, ColorWhen::Never);
    }
    refused("list -q -v");
}

#[test]
fn exec_takes_its_command_after_two_dashes_untouched() {
    let Verb::Exec(args) = parse("exec p --ref main -- make --json -- x")
        .expect("parses")
        .verb
    else {
        panic!("another verb");
    };
    assert_eq!(args.pool, "p");
    assert_eq!(args.options.reference.as_deref(), Some("main"));
    assert_eq!(args.command, ["make", "--json", "--", "x"]);
}

#[test]
fn exec_without_two_dashes_says_where_the_command_goes() {
    let error = refused("exec p make test");
    let text = error.to_string();
    assert!(text.contains("repo-pool exec p -- make test"), "{text}");
    assert!(!refused("exec p --made").to_string().contains("-- made"));
}

#[test]
fn allocate_and_exec_share_their_options() {
    let options = "--ref v1 --branch b --meta a=1 --meta b=2 --meta-json {} --owner me \
                   --owner-pid 7 --fetch-max-age 90 --grow";
    let Verb::Allocate(allocate) = parse(&format!("allocate p {options}")).unwrap().verb else {
        panic!("another verb");
    };
    let Verb::Exec(exec) = parse(&format!("exec {options} p")).unwrap().verb else {
        panic!("another verb");
    };
    assert_eq!(
        format!("{:?}", allocate.options),
        format!("{:?}", exec.options)
    );
    assert_eq!(allocate.options.meta.len(), 2);
    assert_eq!(allocate.options.owner_pid, Some(7));
    assert_eq!(
        allocate.options.fetch_max_age,
        Some(Duration::from_secs(90))
    );
}

#[test]
fn wrong_values_are_refused() {
    for line in [
        "allocate p --meta task",
        "allocate p --meta =1",
        "allocate p --owner-pid 0",
        "allocate p --owner-pid -1",
        "allocate p --fetch-max-age soon",
        "allocate p --no-fetch --fetch-max-age 1s",
        "allocate p --ref -x",
        "create p url -n 0",
        "create p -- ",
        "create p --upload-pack=x",
        "add-slot p -n 0",
        "recover --only something",
        "--color sometimes list",
        "completions tcsh",
        "nothing",
        "",
    ] {
        refused(line);
    }
    let empty = parse_from(["repo-pool", "allocate", ""]).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::InvalidValue);
}

#[test]
fn recover_takes_every_kind_of_finding() {
    let line = "recover --only dead_owner --only leftover --dry-run";
    let Verb::Recover(args) = parse(line).unwrap().verb else {
        panic!("another verb");
    };
    assert_eq!(args.only, [FindingKind::DeadOwner, FindingKind::Leftover]);
    assert!(args.dry_run && args.target.is_none());
}

#[test]
fn json_is_wanted_if_it_is_asked_for_before_the_command() {
    assert!(wants_json(["repo-pool", "--json", "nonsense"]));
    assert!(wants_json(["repo-pool", "exec", "--json", "--", "x"]));
    assert!(!wants_json(["repo-pool", "exec", "p", "--", "x", "--json"]));
    assert!(!wants_json(["repo-pool", "list"]));
}
