//! The crate's layers: every path into the crate is held against the table in `src/lib.rs`.
//!
//! The sources are read as tokens, without comments and strings, so that any spelling of a path
//! counts: in `use` trees, in expressions, in test code, and by way of `super`.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use source::paths_into_the_crate;

/// No source file is longer than this; about 400 lines are the aim.
const LONGEST_FILE: usize = 450;

/// The one layer all may use, and the one that may use none and not even this.
const SHARED: &str = "domain";
const STANDALONE: &str = "cli";

/// Layers in the table's order, each with those it may use.
type Table = Vec<(String, BTreeSet<String>)>;

/// The table in the documentation of `src/lib.rs`.
fn table(lib: &str) -> Table {
    let rows: Vec<(String, String)> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.strip_suffix(" |"))
        .map(|row| {
            let name = row.split('`').next().expect("a name");
            let uses = row.rsplit('|').next().expect("a last column");
            (name.to_owned(), uses.trim().to_owned())
        })
        .collect();
    let names: Vec<&String> = rows.iter().map(|(name, _)| name).collect();
    let may_use = |index: usize, uses: &str| -> BTreeSet<String> {
        let mut allowed: BTreeSet<String> = match uses {
            "–" => BTreeSet::new(),
            "all below" => names[index + 1..].iter().map(|&n| n.clone()).collect(),
            list => list.split(", ").map(str::to_owned).collect(),
        };
        if names[index] != SHARED && names[index] != STANDALONE {
            allowed.insert(SHARED.to_owned());
        }
        allowed
    };
    rows.iter()
        .enumerate()
        .map(|(index, (name, uses))| (name.clone(), may_use(index, uses)))
        .collect()
}

/// The paths of a source file that the table does not allow, one line each.
fn violations(table: &Table, file: &Path, source: &str) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    let layer = module[0].clone();
    let allowed = match table.iter().find(|(name, _)| *name == layer) {
        Some((_, allowed)) => allowed.clone(),
        None if layer == "main" => BTreeSet::from(["commands".to_owned()]),
        None => return vec![format!("{} is in no layer", file.display())],
    };
    paths_into_the_crate(source, &module)
        .into_iter()
        .filter(|path| path.first() != Some(&layer) || layer == "main")
        .filter(|path| !path.first().is_some_and(|first| allowed.contains(first)))
        .map(|path| {
            let path = path.join("::");
            format!("{}: {layer} may not use crate::{path}", file.display())
        })
        .collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every source file, its path relative to `src`, with its content.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut sources = BTreeMap::new();
    let mut directories = vec![src()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("the sources can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(src()).expect("inside").to_owned();
                sources.insert(name, read(&path));
            }
        }
    }
    sources
}

#[test]
fn every_path_into_the_crate_obeys_the_table_of_layers() {
    let table = table(&read(&src().join("lib.rs")));
    let found: Vec<String> = sources()
        .iter()
        .filter(|(file, _)| *file != Path::new("lib.rs"))
        .flat_map(|(file, source)| violations(&table, file, source))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_table_names_exactly_the_modules_of_the_crate() {
    let table = table(&read(&src().join("lib.rs")));
    let named: BTreeSet<String> = table.into_iter().map(|(name, _)| name).collect();
    let present: BTreeSet<String> = std::fs::read_dir(src())
        .expect("the sources can be listed")
        .map(|entry| entry.expect("an entry").path().with_extension(""))
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name != "lib" && name != "main")
        .collect();
    assert_eq!(named, present);
}

#[test]
fn a_layer_uses_only_layers_below_it() {
    let table = table(&read(&src().join("lib.rs")));
    for (index, (name, allowed)) in table.iter().enumerate() {
        let below: BTreeSet<String> = table[index + 1..].iter().map(|(n, _)| n.clone()).collect();
        assert!(allowed.is_subset(&below), "{name} may use {allowed:?}");
    }
}

#[test]
fn no_source_file_is_too_long_to_hold_in_the_head() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(file, source)| (file, source.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// What the checker says about a source text at `file`, as the paths it objects to.
fn objections(file: &str, source: &str) -> Vec<String> {
    let table = table(&read(&src().join("lib.rs")));
    violations(&table, Path::new(file), source)
        .into_iter()
        .map(|line| line.rsplit(' ').next().expect("a path").to_owned())
        .collect()
}

#[test]
fn the_checker_sees_every_spelling_of_a_forbidden_path() {
    for (source, path) in [
        ("use crate::pool::Pool;", "crate::pool::Pool"),
        (
            "use crate::{domain::Error, pool::{self, Pool}};",
            "crate::pool crate::pool::Pool",
        ),
        (
            "use crate::{domain::{Slot as S, Pool}, report};",
            "crate::report",
        ),
        ("fn f() { crate::report::say(1) }", "crate::report::say"),
        ("fn f() -> Vec<crate::store::Lock> {}", "crate::store::Lock"),
        (
            "#[cfg(test)] mod tests { use crate::commands::*; }",
            "crate::commands::*",
        ),
        (
            "use super::super::config::Settings;",
            "crate::config::Settings",
        ),
        (
            "mod a { mod b { use super::super::super::super::cli; } }",
            "crate::cli",
        ),
        ("mod a {} use super::super::cli;", "crate::cli"),
        ("use crate::*;", "crate::*"),
        ("use crate as all;", "crate::"),
        (
            "let c = '\"'; use crate::git::Git; let d = '\"';",
            "crate::git::Git",
        ),
        (
            "let s = \"\\\"\"; /* /* */ */ use crate::git;",
            "crate::git",
        ),
        (
            "let s = r#\"\"\"#; crate::r#git::x::<u8>();",
            "crate::git::x",
        ),
    ] {
        let found = objections("sys/process.rs", source).join(" ");
        assert_eq!(found, path, "{source}");
    }
}

#[test]
fn the_checker_allows_what_the_table_allows() {
    let source = "
        //! See [`crate::pool`]. use crate::pool::Pool;
        use crate::domain::{Error, Result};
        use super::clock; use self::inner::X; use crate::sys::fs;
        /* use crate::report; */
        pub(crate) fn f<'a>(x: &'a str) -> &'static str { \"crate::report::say\" }
        mod inner { use super::super::clock; use super::f; }
    ";
    assert_eq!(objections("sys/process.rs", source), [""; 0]);
    assert_eq!(
        objections("pool/mod.rs", "use crate::{git, store, sys};"),
        [""; 0]
    );
    assert_eq!(
        objections("commands/list.rs", "use crate::cli::{self, Cli};"),
        [""; 0]
    );
    assert_eq!(
        objections("main.rs", "fn main() { repo_pool::commands::main() }"),
        [""; 0]
    );
}

#[test]
fn the_checker_knows_the_special_layers() {
    assert_eq!(
        objections("domain/slot.rs", "use crate::sys;"),
        ["crate::sys"]
    );
    assert_eq!(
        objections("cli/mod.rs", "use crate::domain::Slot;"),
        ["crate::domain::Slot"]
    );
    assert_eq!(objections("main.rs", "use repo_pool::sys;"), ["crate::sys"]);
    assert_eq!(
        objections("report/json.rs", "use crate::store;"),
        ["crate::store"]
    );
    assert_eq!(objections("stray.rs", "").len(), 1);
}
