//! `cargo bench`: the goals, measured beside git's own commands.
//!
//! Lines compare processes, not functions: what a user waits for is a command from its start to
//! its end. Only the dispatcher's decisions are functions: it makes them while it runs.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own that starts processes, reads the clock and prints a table"
)]

mod lines;
mod options;
mod report;
mod repository;
mod sample;
mod site;
mod stage;

use options::Options;
use report::Report;
use stage::{Result, Stage};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::from_arguments();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if let Some(count) = options.dispatch_memory {
        println!("{}", lines::memory_of(count)?);
        return Ok(());
    }
    let stage = Stage::set(options)?;
    facts(&stage)?;
    let mut report = Report::start(options);
    lines::program(&stage, &mut report)?;
    for &size in &options.sizes {
        lines::of_size(&stage, size, &mut report)?;
    }
    lines::of_many_slots(&stage, &mut report)?;
    lines::of_dispatch(&stage, &mut report)?;
    lines::of_queues(&stage, &mut report)?;
    lines::of_docker(&stage, &mut report)?;
    lines::over_sizes(&mut report);
    report.end();
    Ok(())
}

fn facts(stage: &Stage<'_>) -> Result<()> {
    let said = |program: &str| -> Result<String> {
        let ran = stage::timed(stage.command(program).arg("--version"))?;
        Ok(ran.stdout.trim().to_owned())
    };
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let own = stage.options.binary.display().to_string();
    println!(
        "{}, {}, {cores} cores, load {}\n",
        said(&own)?,
        said("git")?,
        load.join(" ")
    );
    Ok(())
}
