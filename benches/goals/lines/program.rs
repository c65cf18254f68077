//! The program itself.

use super::super::report::Line;
use super::*;
use std::path::PathBuf;
use std::process::Command;

const START: &str = "--version";
const BINARY: &str = "size of the binary";

/// Its start and its size.
pub fn program(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    if stage.options.wants(&[START]) {
        start(stage, report)?;
    }
    let size = std::fs::metadata(&stage.options.binary)?.len();
    let line = Line::new(BINARY, Samples::of(Unit::Bytes, vec![size as f64]));
    report.add(line.goal(Goal::Most(6.0 * 1048576.0)));
    Ok(())
}

fn start(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    let Some(trivial) = trivial_program(stage)? else {
        report.not_there(None, START, "no rustc to make a trivial program");
        return Ok(());
    };
    let (mut ours, mut others, mut gits) = (Samples::times(), Samples::times(), Samples::times());
    for _ in 0..2 * stage.options.rounds(Size::Small) {
        ours.push(timed(stage.command(&stage.options.binary).arg("--version"))?.took);
        others.push(timed(&mut stage.command(&trivial))?.took);
        gits.push(timed(stage.command("git").arg("--version"))?.took);
    }
    let line = Line::new(START, ours.clone()).against("a trivial static program", others);
    report.add(line.goal(Goal::Ratio(1.5)));
    report.add(Line::new(START, ours).against("git --version", gits));
    Ok(())
}

/// A static program that does nothing but end.
fn trivial_program(stage: &Stage<'_>) -> Result<Option<PathBuf>> {
    let (source, program) = (stage.path("trivial.rs"), stage.path("trivial"));
    std::fs::write(&source, "fn main() {}\n")?;
    // The caller's environment is what rustc is found by.
    let built = Command::new("rustc")
        .args([
            "-O",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
            "-o",
        ])
        .arg(&program)
        .arg(&source)
        .status();
    Ok(built
        .is_ok_and(|status| status.success())
        .then_some(program))
}
