//! One file per verb: load, plan, act, report. Wiring only.
//!
//! [`main`] is the whole life of the program: parse, run, and turn a failure into its message and
//! exit code in one place.

pub mod allocate;
pub mod apply;
pub mod branches;
pub mod collect;
pub mod complete;
pub mod completions;
pub mod config;
pub mod create;
pub mod detached;
pub mod dispatch;
pub mod exec;
pub mod hook;
pub mod init;
pub mod isolate;
pub mod list;
pub mod log;
pub mod man;
pub mod metrics;
mod near;
pub mod recover;
pub mod release;
pub mod remove;
pub mod renew;
pub mod rescue;
pub mod session;
pub mod shell_init;
pub mod slots;
pub mod status;
pub mod warm;
pub mod watching;

use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;

use crate::cli::{self, Cli, ColorWhen, Verb};
use crate::config::Environment;
use crate::domain::Result;
use crate::report::{ColorChoice, Failure, Options, Output, advice};
use crate::sys::signals;
use session::Session;

/// What `exec` ends with when not the command but this program failed.
const EXEC_FAILED: u8 = 125;

/// What a wrong command line ends with.
const USAGE: u8 = 2;

/// Runs the command line of this process and says how it ended.
pub fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if detached::is_one(&args) {
        return detached::run(&args);
    }
    let environment = Environment::from_process();
    if complete::is_asked(&args) {
        return complete::run(&args, &environment);
    }
    match cli::parse_from(args.clone()) {
        Ok(cli) => run(cli, environment),
        Err(error) => {
            let is_exec = cli::is_exec(&args);
            unparsed(&error, cli::wants_json(args), is_exec, &environment)
        }
    }
}

fn run(cli: Cli, environment: Environment) -> ExitCode {
    let output = Arc::new(Output::new(options(&cli, &environment)));
    let is_exec = matches!(cli.verb, Verb::Exec(_));
    advice::name(
        cli.global.workspace.as_deref(),
        cli.global.config.as_deref(),
    );
    // What ends `exec` is its command's too, and its slot is to be given back.
    let noted = match is_exec {
        true => signals::all(),
        false => signals::usual(),
    };
    if let Err(error) = signals::install(&noted) {
        output.warn(&format!("signals can't be watched: {error}"));
    }
    let session = Session::new(Arc::clone(&output), environment, cli.global);
    match dispatch(&session, cli.verb) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let near = near::hint(&session, &error);
            let mut failure = Failure::from(error);
            failure.hints.splice(0..0, near);
            if is_exec {
                failure.hints.push(format!(
                    "the command was not run; of other verbs this is exit code {}",
                    failure.exit
                ));
            }
            output.error(&failure);
            // To a caller of exec, every other code is its command's.
            ExitCode::from(if is_exec && failure.exit < 128 {
                EXEC_FAILED
            } else {
                failure.exit
            })
        }
    }
}

fn dispatch(session: &Session, verb: Verb) -> Result<u8> {
    match verb {
        Verb::Init(args) => init::run(session, &args),
        Verb::Create(args) => create::run(session, &args),
        Verb::Allocate(args) => allocate::run(session, &args),
        Verb::Release(args) => release::run(session, &args),
        Verb::Renew(args) => renew::run(session, &args),
        Verb::Exec(args) => exec::run(session, &args),
        Verb::Dispatch(args) => dispatch::run(session, &args.command),
        Verb::Hook(args) => hook::run(session, &args),
        Verb::Collect(args) => collect::run(session, &args),
        Verb::AddSlot(args) => slots::add(session, &args),
        Verb::RemoveSlot(args) => remove::slot(session, &args),
        Verb::RemovePool(args) => remove::pool(session, &args),
        Verb::List => list::run(session),
        Verb::Status(args) => status::run(session, &args),
        Verb::Recover(args) => recover::run(session, &args),
        Verb::Isolate(args) => isolate::run(session, &args),
        Verb::Warm(args) => warm::run(session, &args),
        Verb::Branches(args) => branches::run(session, &args),
        Verb::Log(args) => log::run(session, &args),
        Verb::Metrics(args) => metrics::run(session, &args),
        Verb::Rescue(args) => rescue::run(session, &args.command),
        Verb::Apply(args) => apply::run(session, &args),
        Verb::Config(args) => config::run(session, &args.command),
        Verb::Completions(args) => completions::run(session, &args),
        Verb::ShellInit(args) => shell_init::run(session, &args),
        Verb::Man(args) => man::run(session, &args),
    }
}

fn options(cli: &Cli, environment: &Environment) -> Options {
    Options {
        json: cli.global.json,
        quiet: cli.global.quiet,
        verbosity: cli.global.verbose,
        color: match cli.global.color {
            ColorWhen::Auto => ColorChoice::Auto,
            ColorWhen::Always => ColorChoice::Always,
            ColorWhen::Never => ColorChoice::Never,
        },
        no_color: environment.no_color(),
        clicolor_force: environment.clicolor_force(),
    }
}

/// A command line that says nothing to do: help, the version, or a mistake.
fn unparsed(error: &clap::Error, json: bool, is_exec: bool, environment: &Environment) -> ExitCode {
    let output = Output::new(Options {
        json,
        no_color: environment.no_color(),
        clicolor_force: environment.clicolor_force(),
        ..Options::default()
    });
    if error.exit_code() == 0 {
        let text = error.render();
        let text = if output.layout().color {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        return match crate::report::output::unless_closed(output.text(&text)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let failure = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if json => {
            Failure::usage("a command is missing; --help names what there is")
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // The help by itself says that something is missing, and what there is.
            output.note(error.render().to_string().trim_end());
            return ExitCode::from(USAGE);
        }
        _ => Failure::usage(&error.render().to_string()),
    };
    output.error(&failure);
    ExitCode::from(if is_exec { EXEC_FAILED } else { failure.exit })
}
