//! A hundred slots: all of them made, handed out, given back, summed up, recovered.

use super::super::report::Line;
use super::*;
use std::time::Duration;

const STEPS: [&str; 4] = [
    "create, N slots",
    "allocate, N times one after another",
    "release, N slots in one command",
    "status of all pools, N slots",
];
const RECOVER: &str = "recover, N healthy slots";

pub const BENCHES: [Bench; 2] = [
    Bench {
        names: &STEPS,
        run: steps,
    },
    Bench {
        names: &[RECOVER],
        run: recover,
    },
];

/// A quarter of the slots should take a quarter of the time.
fn steps(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let many = site.stage.options.count(100, 8);
    let few = many / 4;
    let mut all = [(); 4].map(|()| (Samples::times(), Samples::times()));
    for _ in 0..site.stage.options.few(site.size) {
        let quarter = walk(site, few)?;
        let whole = walk(site, many)?;
        for (samples, (quarter, whole)) in all.iter_mut().zip(quarter.into_iter().zip(whole)) {
            samples.0.push(whole);
            samples.1.push(quarter);
        }
    }
    for (name, (whole, quarter)) in STEPS.iter().zip(all) {
        let line = Line::new(format!("{name} (N = {many})"), whole).of(site.size);
        let label = format!("4 times that of {few} slots");
        report.add(
            line.against(label, quarter.times_over(4.0))
                .goal(Goal::Ratio(1.1)),
        );
    }
    Ok(())
}

/// How long each step takes with that many slots.
fn walk(site: &Site<'_>, slots: u32) -> Result<[Duration; 4]> {
    let create = site.pool(&format!("create q {} -n {slots}", site.remote.url()))?;
    let mut allocate = Duration::ZERO;
    for _ in 0..slots {
        allocate += site.pool("allocate q --no-fetch")?;
    }
    let names: Vec<String> = (1..=slots).map(|n| format!("q/slot{n}")).collect();
    let status = site.pool("status")?;
    let release = site.pool(&format!("release {}", names.join(" ")))?;
    site.remove_pool("q")?;
    Ok([create, allocate, release, status])
}

fn recover(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let slots = site.stage.options.count(100, 8);
    site.pool(&format!("create q {} -n {slots}", site.remote.url()))?;
    let (mut ours, mut gits) = (Samples::times(), Samples::times());
    for _ in 0..site.stage.options.few(site.size) {
        ours.push(site.pool("recover q")?);
        gits.push(site.git(&["fsck", "--connectivity-only"])?);
    }
    site.remove_pool("q")?;
    let line = Line::new(format!("{RECOVER} (N = {slots})"), ours).of(site.size);
    report.add(
        line.against("git fsck --connectivity-only", gits)
            .goal(Goal::Most(1000.0)),
    );
    Ok(())
}
