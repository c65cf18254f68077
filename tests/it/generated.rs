//! The committed completion scripts and manual pages are what the program generates.
//!
//! `REPO_POOL_UPDATE=1 cargo test generated` rewrites them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use repo_pool::cli::Shell;
use repo_pool::commands::{completions, man};

/// File names and what the program generates for them.
type Generated = BTreeMap<String, Vec<u8>>;

fn completion_scripts() -> Generated {
    [
        ("repo-pool.bash", Shell::Bash),
        ("_repo-pool", Shell::Zsh),
        ("repo-pool.fish", Shell::Fish),
    ]
    .into_iter()
    .map(|(name, shell)| (name.to_owned(), completions::generate(shell)))
    .collect()
}

fn manual_pages() -> Generated {
    man::pages().into_iter().collect()
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of all files in `directory`; the schemas below it are made elsewhere, from the types.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory can be listed");
    entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| !entry.file_type().expect("its type").is_dir())
        .map(|entry| entry.file_name().into_string().expect("a name in UTF-8"))
        .collect()
}

/// What differs between `directory` and what is generated for it, one line each.
fn differences(directory: &Path, generated: &Generated) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, content) in generated {
        match std::fs::read(directory.join(name)) {
            Ok(found) if found == *content => {}
            Ok(_) => lines.push(format!("{name} is out of date")),
            Err(error) => lines.push(format!("{name} cannot be read: {error}")),
        }
    }
    for name in names_in(directory) {
        if !generated.contains_key(&name) {
            lines.push(format!("{name} is not generated any more"));
        }
    }
    lines
}

#[expect(
    clippy::disallowed_methods,
    reason = "rewriting the committed files is this test's own work, not the program's"
)]
fn update(directory: &Path, generated: &Generated) {
    std::fs::create_dir_all(directory).expect("the directory can be made");
    for name in names_in(directory) {
        if !generated.contains_key(&name) {
            std::fs::remove_file(directory.join(name)).expect("a stale file can be removed");
        }
    }
    for (name, content) in generated {
        std::fs::write(directory.join(name), content).expect("a file can be written");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variable steers this test, not the program"
)]
fn update_is_wanted() -> bool {
    std::env::var_os("REPO_POOL_UPDATE").is_some_and(|value| value == "1")
}

fn check(directory: &Path, generated: &Generated) {
    if update_is_wanted() {
        update(directory, generated);
    }
    let differences = differences(directory, generated);
    assert!(
        differences.is_empty(),
        "{}:\n  {}\nREPO_POOL_UPDATE=1 cargo test generated brings them up to date",
        directory.display(),
        differences.join("\n  ")
    );
}

#[test]
fn completions_are_those_of_the_command_line() {
    check(&directory("completions"), &completion_scripts());
}

#[test]
fn manual_pages_are_those_of_the_command_line() {
    check(&directory("man"), &manual_pages());
}

#[test]
fn every_verb_has_a_manual_page() {
    let pages = manual_pages();
    for verb in repo_pool::cli::command().get_subcommands() {
        let name = format!("repo-pool-{}.1", verb.get_name());
        assert!(pages.contains_key(&name), "{name} is missing");
    }
}

#[test]
fn stale_changed_and_missing_files_are_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut generated = Generated::new();
    generated.insert("kept".to_owned(), b"same".to_vec());
    generated.insert("changed".to_owned(), b"new".to_vec());
    let mut before = generated.clone();
    before.insert("changed".to_owned(), b"old".to_vec());
    before.insert("stale".to_owned(), Vec::new());
    update(directory.path(), &before);
    generated.insert("missing".to_owned(), Vec::new());

    let found = differences(directory.path(), &generated);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "changed is out of date");
    assert!(found[1].starts_with("missing cannot be read"), "{found:?}");
    assert_eq!(found[2], "stale is not generated any more");

    update(directory.path(), &generated);
    assert_eq!(differences(directory.path(), &generated), [""; 0]);
}

/// The README has a row for every call of the original that the manual page explains.
#[test]
fn the_readme_knows_every_call_of_the_original() {
    let readme = std::fs::read_to_string(directory("README.md")).expect("the README");
    for (call, _) in repo_pool::cli::ORIGINAL {
        let known = call.split(", ").all(|word| readme.contains(word));
        assert!(known, "{call} is not in the README");
    }
}
