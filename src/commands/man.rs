//! `man`: the manual pages: one for the program, one for each of its verbs, one for the settings
//! (`settings`), one about things that go wrong (`recovery`) and one about files of tasks (`tasks`).
//!
//! [`pages`] only makes the bytes, so that a test can hold the committed files against them. The
//! pages carry the version and no date, so that they change only when what they describe does.

mod recovery;
mod settings;
mod tasks;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::session::Session;
use crate::cli::{self, ManArgs};
use crate::domain::Result;
use crate::domain::outcome::ManView;
use crate::report::output::unless_closed;
use crate::sys::fs;

/// What a page leaves out, given literally: `man` would take the next field for it otherwise.
const NO_DATE: &str = "\"\"";

/// Prints the program's page, or writes all pages below a directory, where `man` looks for them.
pub fn run(session: &Session, args: &ManArgs) -> Result<u8> {
    let pages = pages();
    let Some(dir) = &args.dir else {
        let first = pages
            .into_iter()
            .next()
            .map(|(_, page)| page)
            .unwrap_or_default();
        unless_closed(session.output.data(first))?;
        return Ok(0);
    };
    for (name, page) in &pages {
        let section = name.rsplit('.').next().unwrap_or_default();
        let dir = dir.join(format!("man{section}"));
        fs::create_dir_all(&dir)?;
        fs::write_public(&dir.join(name), page)?;
    }
    if session.output.is_json() {
        let written = ManView {
            directory: dir.display().to_string(),
            pages: pages.len() as u64,
        };
        unless_closed(session.output.json("result", &written))?;
        return Ok(0);
    }
    session
        .output
        .note(&format!("wrote {} pages to {}", pages.len(), dir.display()));
    Ok(0)
}

/// The manual pages as file names with their content; the program's own page comes first.
#[must_use]
pub fn pages() -> Vec<(String, Vec<u8>)> {
    let mut program = cli::command();
    program.build();
    let mut pages = vec![(file_name((cli::PROGRAM, "1")), program_page(&program))];
    for group in cli::GROUPS {
        for verb in group
            .verbs
            .iter()
            .filter_map(|v| program.find_subcommand(v))
        {
            pages.push((
                file_name((&page_name(verb.get_name()), "1")),
                verb_page(verb, group.verbs),
            ));
        }
    }
    pages.push((file_name(settings::NAME), settings::render()));
    pages.push((file_name(recovery::NAME), recovery::render()));
    pages.push((file_name(tasks::NAME), tasks::render()));
    pages
}

/// The pages that go on where a verb's ends.
const MANUALS: &[(&str, (&str, &str))] = &[
    ("config", settings::NAME),
    ("dispatch", tasks::NAME),
    ("recover", recovery::NAME),
];

fn page_name(verb: &str) -> String {
    format!("{}-{verb}", cli::PROGRAM)
}

fn file_name((page, section): (&str, &str)) -> String {
    format!("{page}.{section}")
}

fn program_page(program: &Command) -> Vec<u8> {
    let mut roff = Roff::default();
    section(&mut roff, "COMMANDS");
    for group in cli::GROUPS {
        roff.control("SS", [group.title]);
        for verb in group
            .verbs
            .iter()
            .filter_map(|v| program.find_subcommand(v))
        {
            roff.control("TP", []);
            roff.text(reference(&page_name(verb.get_name()), "1"));
            roff.text([roman(about(verb))]);
        }
    }
    section(&mut roff, "EXIT STATUS");
    table(&mut roff, cli::EXIT_CODES);
    section(&mut roff, "ENVIRONMENT");
    table(&mut roff, cli::ENVIRONMENT);
    section(&mut roff, "FILES");
    roff.text([roman("The workspace is the first of:")]);
    table(&mut roff, cli::WORKSPACE);
    roff.control("PP", []);
    roff.text([roman("In it lie, among others:")]);
    table(&mut roff, cli::FILES);
    section(&mut roff, "FROM THE ORIGINAL'S API");
    roff.text([roman(
        "This program takes the place of a Python library. What its calls became:",
    )]);
    table(&mut roff, cli::ORIGINAL);
    let verbs = cli::GROUPS.iter().flat_map(|group| group.verbs);
    let mut names: Vec<String> = verbs.map(|verb| page_name(verb)).collect();
    names.sort();
    names.extend(["git".to_owned(), "git-worktree".to_owned()]);
    let mut names: Vec<(String, &str)> = names.into_iter().map(|name| (name, "1")).collect();
    names.extend(
        [settings::NAME, recovery::NAME, tasks::NAME].map(|(name, of)| (name.to_owned(), of)),
    );
    see_also(&mut roff, &names);

    page(&[opening(program), options(program), roff.render()])
}

fn verb_page(verb: &Command, group: &[&str]) -> Vec<u8> {
    let mut roff = Roff::default();
    roff.control("PP", []);
    pointer(
        &mut roff,
        "The options that every command takes are described in ",
    );
    subcommands(&mut roff, verb);
    if let Some(topic) = cli::topic(verb.get_name()) {
        section(&mut roff, "EXIT STATUS");
        table(&mut roff, topic.exit_codes);
        if !topic.exit_codes.is_empty() {
            roff.control("PP", []);
        }
        pointer(&mut roff, "All exit codes are listed in ");
        section(&mut roff, "EXAMPLES");
        table(&mut roff, topic.examples);
    }
    let related = group.iter().filter(|other| **other != verb.get_name());
    let names: Vec<(String, &str)> = std::iter::once(cli::PROGRAM.to_owned())
        .chain(related.map(|other| page_name(other)))
        .map(|name| (name, "1"))
        .chain(
            MANUALS
                .iter()
                .filter(|(of, _)| *of == verb.get_name())
                .map(|(_, (name, number))| ((*name).to_owned(), *number)),
        )
        .collect();
    see_also(&mut roff, &names);

    // The options every verb takes are explained once, on the program's page.
    let own = verb.clone().mut_args(|arg| {
        let global = arg.is_global_set();
        arg.hide(global)
    });
    page(&[opening(verb), options(&own), roff.render()])
}

/// Title, name, synopsis and description.
fn opening(command: &Command) -> String {
    let man = Man::new(command.clone())
        .date(NO_DATE)
        .source(format!("{} {}", cli::PROGRAM, env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut title = Vec::new();
    man.render_title(&mut title)
        .and_then(|()| man.render_name_section(&mut title))
        .expect("writing to memory");
    let mut roff = Roff::default();
    section(&mut roff, "SYNOPSIS");
    synopsis(&mut roff, command);
    section(&mut roff, "DESCRIPTION");
    description(&mut roff, command);
    text(title) + &roff.render()
}

/// The usage line of the help text: unlike clap_mangen's, it shows the `--` of `exec`.
fn synopsis(roff: &mut Roff, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let name = command.get_bin_name().unwrap_or(cli::PROGRAM);
    let rest = usage.strip_prefix(name).unwrap_or_default();
    roff.text([bold(name), roman(rest)]);
}

/// The long description without its first line, which is under NAME already.
fn description(roff: &mut Roff, command: &Command) {
    let long = command.get_long_about().map(ToString::to_string);
    let long = long.unwrap_or_else(|| about(command));
    let paragraphs: Vec<&str> = long.split("\n\n").collect();
    let rest = match &paragraphs[..] {
        [first, rest @ ..] if !rest.is_empty() && first.trim_end_matches('.') == about(command) => {
            rest
        }
        all => all,
    };
    for (index, paragraph) in rest.iter().enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
}

fn options(command: &Command) -> String {
    // One section for all: which options are global is said in words.
    let flat = command
        .clone()
        .mut_args(|arg| arg.help_heading(None::<&str>));
    let mut page = Vec::new();
    Man::new(flat)
        .render_options_section(&mut page)
        .expect("writing to memory");
    text(page)
}

/// The verbs of a verb, explained on its page: they are too small for pages of their own.
fn subcommands(roff: &mut Roff, verb: &Command) {
    if !verb.has_subcommands() {
        return;
    }
    section(roff, "COMMANDS");
    each_subcommand(roff, verb.get_name(), verb);
}

fn each_subcommand(roff: &mut Roff, called: &str, verb: &Command) {
    for sub in verb.get_subcommands() {
        let called = format!("{called} {}", sub.get_name());
        if sub.has_subcommands() {
            each_subcommand(roff, &called, sub);
            continue;
        }
        roff.control("TP", []);
        let mut usage = vec![bold(called)];
        usage.extend(sub.get_positionals().map(|arg| roman(place_of(arg))));
        for arg in own_options(sub) {
            usage.push(roman(format!(
                " [--{}]",
                arg.get_long().unwrap_or_default()
            )));
        }
        roff.text(usage);
        roff.text([roman(format!("{}.", about(sub)))]);
        let explain = |roff: &mut Roff, name: String, arg: &Arg| {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            roff.text([bold(name), roman(format!(": {help}."))]);
        };
        for arg in sub.get_positionals() {
            explain(roff, name_of(arg), arg);
        }
        for arg in own_options(sub) {
            let name = format!("--{}", arg.get_long().unwrap_or_default());
            explain(roff, name, arg);
        }
    }
}

fn name_of(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.first().map(ToString::to_string).unwrap_or_default()
}

/// How an argument without a name of its own stands in a command line.
fn place_of(arg: &Arg) -> String {
    let many = arg
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1);
    let name = name_of(arg) + if many { "..." } else { "" };
    match (arg.is_last_set(), arg.is_required_set()) {
        (true, _) => format!(" [-- {name}]"),
        (false, true) => format!(" {name}"),
        (false, false) => format!(" [{name}]"),
    }
}

fn own_options(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_opts()
        .chain(
            command
                .get_arguments()
                .filter(|arg| !arg.get_action().takes_values()),
        )
        .filter(|arg| !arg.is_global_set() && arg.get_id() != "help")
}

fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string);
    about.unwrap_or_default()
}

fn section(roff: &mut Roff, title: &str) {
    roff.control("SH", [title]);
}

fn table(roff: &mut Roff, rows: &[(&str, &str)]) {
    for (word, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(*word)]);
        roff.text([roman(*meaning)]);
    }
}

fn see_also(roff: &mut Roff, pages: &[(String, &str)]) {
    section(roff, "SEE ALSO");
    for (index, (page, section)) in pages.iter().enumerate() {
        let mut line = reference(page, section);
        if index + 1 < pages.len() {
            line.push(roman(","));
        }
        roff.text(line);
    }
}

/// A page's name as pages name each other.
fn reference(page: &str, section: &str) -> Vec<Inline> {
    vec![italic(page), roman(format!("({section})"))]
}

/// Title and name of a page that is no command's.
fn head((name, number): (&str, &str), about: &str) -> String {
    let mut roff = Roff::default();
    let source = format!("\"{} {}\"", cli::PROGRAM, env!("CARGO_PKG_VERSION"));
    roff.control("TH", [name, number, NO_DATE, &source]);
    section(&mut roff, "NAME");
    roff.text([roman(format!("{name} - {about}"))]);
    roff.render()
}

/// A sentence that ends with the program's own page.
fn pointer(roff: &mut Roff, sentence: &str) {
    let mut line = vec![roman(sentence)];
    line.extend(reference(cli::PROGRAM, "1"));
    line.push(roman("."));
    roff.text(line);
}

/// Joins rendered parts: each begins with the same preamble, and a page needs it once.
fn page(parts: &[String]) -> Vec<u8> {
    let preamble = Roff::default().render();
    let mut page = preamble.clone();
    for part in parts {
        page.push_str(&part.replace(&preamble, ""));
    }
    page.into_bytes()
}

fn text(part: Vec<u8>) -> String {
    String::from_utf8(part).expect("the help texts are UTF-8")
}
