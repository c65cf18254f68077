//! Making slots.

use super::super::report::Line;
use super::*;

const CREATE: &str = "create N slots";
const ADD: &str = "add-slot -n N";

pub const BENCHES: [Bench; 1] = [Bench {
    names: &[CREATE, ADD],
    run: create,
}];

/// As many as the disk is asked to take.
fn count(site: &Site<'_>) -> u32 {
    match site.size {
        Size::Large => 4.min(site.stage.options.slots),
        _ => site.stage.options.slots,
    }
}

fn create(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let n = count(site);
    let (mut created, mut added) = (Samples::times(), Samples::times());
    let (mut cloned, mut worktrees) = (Samples::times(), Samples::times());
    let place = site.stage.path("worktrees");
    for _ in 0..site.stage.options.few(site.size) {
        created.push(site.pool(&format!("create q {} -n {n}", site.remote.url()))?);
        site.remove_pool("q")?;
        site.pool(&format!("create q {} -n 1", site.remote.url()))?;
        added.push(site.pool(&format!("add-slot q -n {n}"))?);
        site.remove_pool("q")?;
        let clone = site.stage.path("another.git");
        cloned.push(site.clone_by_git(&clone)?);
        std::fs::remove_dir_all(clone)?;
        let mut took = std::time::Duration::ZERO;
        for number in 0..n {
            took += site.add_worktree(&place.join(format!("{number}")))?;
        }
        worktrees.push(took);
        site.remove(&place)?;
    }
    let both = cloned.plus(&worktrees);
    let goal = Goal::Ratio(0.6);
    let line = Line::new(format!("{CREATE} (N = {n})"), created).of(site.size);
    report.add(
        line.against("clone, N times git worktree add", both)
            .goal(goal),
    );
    let line = Line::new(format!("{ADD} (N = {n})"), added).of(site.size);
    report.add(
        line.against("N times git worktree add", worktrees)
            .goal(goal),
    );
    Ok(())
}
