//! The lines of the table.

mod allocate;
mod clone;
mod create;
mod crowd;
mod curve;
mod dispatch;
mod docker;
mod hundred;
mod program;
mod queue;
mod release;

use super::options::Size;
use super::report::{Goal, Report};
use super::sample::{Samples, Unit};
use super::site::Site;
use super::stage::{self, Result, Stage, disk, succeeded, timed};

pub use dispatch::{memory_of, of_dispatch};
pub use docker::of_docker;
pub use program::program;
pub use queue::of_queues;

/// What is measured together, and the lines that come of it.
#[derive(Clone, Copy)]
struct Bench {
    names: &'static [&'static str],
    run: fn(&Site<'_>, &mut Report<'_>) -> Result<()>,
}

/// The lines that depend on the repository's size.
pub fn of_size(stage: &Stage<'_>, size: Size, report: &mut Report<'_>) -> Result<()> {
    let benches = [
        &allocate::BENCHES[..],
        &release::BENCHES,
        &create::BENCHES,
        &clone::BENCHES,
    ]
    .concat();
    run(stage, size, &benches, report)
}

/// The lines about many slots of a small repository.
pub fn of_many_slots(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    run(stage, Size::Small, &hundred::BENCHES, report)?;
    crowd::of_processes(stage, report)?;
    curve::over_slots(stage, report)
}

/// How the lines grow with the repository.
pub fn over_sizes(report: &mut Report<'_>) {
    report.growth(allocate::PARKED, Goal::Ratio(1.5));
    report.growth(allocate::CHECKING, Goal::None);
    report.growth(release::CLEAN, Goal::None);
    report.growth(allocate::STATUS, Goal::None);
}

fn run(stage: &Stage<'_>, size: Size, benches: &[Bench], report: &mut Report<'_>) -> Result<()> {
    let wanted: Vec<&Bench> = benches
        .iter()
        .filter(|bench| stage.options.wants(bench.names))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let site = Site::make(stage, size)?;
    for bench in wanted {
        (bench.run)(&site, report)?;
    }
    site.clear()
}
