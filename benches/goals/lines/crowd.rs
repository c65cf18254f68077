//! Many processes at once.

use super::super::report::Line;
use super::super::repository::{Remote, Shape};
use super::*;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CROWD: &str = "N processes at once, N slots, no fetch";

/// A repository that costs nothing.
pub const TINY: Shape = Shape {
    files: 3,
    commits: 2,
    bytes: 3_000,
};

/// Each process asks for a slot; all get one, and no two the same.
pub fn of_processes(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    if !stage.options.wants(&[CROWD]) {
        return Ok(());
    }
    let count = stage.options.count(64, 16);
    let remote = Remote::made_up(stage, TINY)?;
    let workspace = stage.path("crowd");
    timed(&mut stage.pool(&workspace, &format!("create p {} -n {count}", remote.url())))?;
    let names: Vec<String> = (1..=count).map(|n| format!("p/slot{n}")).collect();
    let (mut ours, mut writes) = (Samples::times(), Samples::times());
    for _ in 0..stage.options.rounds(Size::Large) {
        let (took, paths) = at_once(count, || stage.pool(&workspace, "allocate p --no-fetch"))?;
        let different: BTreeSet<&String> = paths.iter().collect();
        if different.len() != paths.len() {
            return Err(format!("a slot was handed out twice: {paths:?}").into());
        }
        ours.push(took);
        let start = Instant::now();
        (0..count).try_for_each(|_| stage.durable_write().map(drop))?;
        writes.push(start.elapsed());
        timed(&mut stage.pool(&workspace, &format!("release {}", names.join(" "))))?;
    }
    let line = Line::new(format!("{CROWD} (N = {count})"), ours.rate_of(count));
    report.add(
        line.against("durable writes, one after another", writes.rate_of(count))
            .goal(Goal::Least(300.0)),
    );
    Ok(())
}

/// Starts that many processes; tells when the last one is done, and what each printed.
fn at_once(count: u32, command: impl Fn() -> Command) -> Result<(Duration, Vec<String>)> {
    let start = Instant::now();
    let mut running = Vec::new();
    for _ in 0..count {
        let mut command = command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        running.push((command.spawn()?, command));
    }
    let mut outputs = Vec::new();
    for (child, command) in running {
        outputs.push((child.wait_with_output()?, command));
    }
    let took = start.elapsed();
    let printed = outputs
        .into_iter()
        .map(|(output, command)| succeeded(&command, output));
    Ok((took, printed.collect::<Result<_>>()?))
}
