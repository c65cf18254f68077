//! `pools.toml`(5): every setting, from the table of keys.

use clap_mangen::roff::{Roff, bold, roman};

use super::{head, page, section, see_also, table};
use crate::cli::PROGRAM;
use crate::config::Environment;
use crate::config::keys::{self, Key, Place};

/// What the page is called, with its section.
pub const NAME: (&str, &str) = ("pools.toml", "5");

const EXAMPLE: &str = "\
[defaults]
fetch_max_age = \"30s\"
keep = [\"target/\"]

[pools.my-project]
repo_url = \"https://example.com/team/my-project.git\"
num_slots = 3
max_slots = 8

[pools.website]
repo_url = \"../website.git\"
base = \"dev\"
warmup_enabled = true";

const ABOUT: &[&str] = &[
    "The file pools.toml in the workspace says how pools are kept, and declares pools: a pool that \
     is declared is made on first use. It is optional: without it every setting has its built-in \
     value. repo-pool init writes one in which every setting is explained and switched off. \
     --config and $REPO_POOL_CONFIG name another file.",
    "What counts is the first of: the command's option, the environment variable, the pool's table, \
     the table [defaults], the built-in value. repo-pool config show prints what counts and where it \
     comes from.",
    "A file is used as a whole or refused: repo-pool config check names every problem with its line \
     and key. Unknown keys are problems. Each command reads the file anew.",
    "Durations are texts such as \"30s\" or \"1h 30m\", or numbers of seconds; sizes are texts such as \
     \"10G\" or \"512M\" (by 1024), or numbers of bytes. Commands that are run come from this file \
     only, never from a repository.",
    "The table [dispatch] and the tables of agent pools are for repo-pool dispatch; neither options of \
     other commands nor environment variables change them.",
];

/// The page.
pub fn render() -> Vec<u8> {
    let mut roff = Roff::default();
    section(&mut roff, "DESCRIPTION");
    for (index, paragraph) in ABOUT.iter().enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
    keys(&mut roff, "KEYS OF [DEFAULTS] AND OF A POOL", Place::Both);
    keys(&mut roff, "KEYS OF A POOL, [POOLS.NAME]", Place::Pool);
    keys(&mut roff, "KEYS OF [DEFAULTS] ALONE", Place::Defaults);
    keys(
        &mut roff,
        "KEYS OF THE DISPATCHER, [DISPATCH]",
        Place::Dispatch,
    );
    keys(
        &mut roff,
        "KEYS OF AN AGENT POOL, [AGENT_POOLS.NAME]",
        Place::AgentPool,
    );
    section(&mut roff, "ENVIRONMENT");
    let variables = Environment::variables();
    let rows: Vec<(&str, &str)> = variables
        .iter()
        .map(|variable| (variable.name.as_ref(), variable.doc.as_ref()))
        .collect();
    table(&mut roff, &rows);
    section(&mut roff, "EXAMPLE");
    roff.control("nf", []);
    roff.text([roman(EXAMPLE)]);
    roff.control("fi", []);
    let related = [PROGRAM, "repo-pool-config", "repo-pool-init"];
    see_also(&mut roff, &related.map(|name| (name.to_owned(), "1")));
    page(&[
        head(NAME, "settings and declared pools of repo-pool"),
        roff.render(),
    ])
}

fn keys(roff: &mut Roff, title: &str, place: Place) {
    section(roff, title);
    for key in keys::all().filter(|key| key.place == place) {
        roff.control("TP", []);
        roff.text([bold(key.name)]);
        roff.text([roman(key.doc)]);
        roff.text([roman(format!("Takes {}.", key.kind.allowed()))]);
        roff.text([roman(default(key))]);
    }
}

fn default(key: &Key) -> String {
    match key.default {
        Some(value) => format!("Built in: {value}."),
        None => "Not set by itself.".to_owned(),
    }
}
