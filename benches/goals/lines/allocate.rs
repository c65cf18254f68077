//! Handing out a slot.

use super::super::report::Line;
use super::*;

pub const PARKED: &str = "allocate, parked at base, no fetch";
pub const CHECKING: &str = "allocate in the checking way, no fetch";
pub const STATUS: &str = "status of the pool";
const FETCH: &str = "allocate, a fetch that brings nothing";
const MOVED: &str = "allocate, base moved by 1 % of the files";
const MOVED_FETCH: &str = "allocate, fetch, base moved by 1 %";
const WORKTREE_ADD: &str = "allocate, against a new worktree";

pub const BENCHES: [Bench; 6] = [
    Bench {
        names: &[PARKED],
        run: parked,
    },
    Bench {
        names: &[CHECKING],
        run: checking,
    },
    Bench {
        names: &[FETCH],
        run: fetch,
    },
    Bench {
        names: &[MOVED, MOVED_FETCH],
        run: moved,
    },
    Bench {
        names: &[WORKTREE_ADD],
        run: worktree_add,
    },
    Bench {
        names: &[STATUS],
        run: status,
    },
];

fn parked(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut ours, mut gits, mut writes) = (Samples::times(), Samples::times(), Samples::times());
    for round in 0..site.rounds() {
        let (took, slot) = site.allocate("--no-fetch")?;
        ours.push(took);
        writes.push(site.stage.durable_write()?);
        site.check_once(round, &slot, 0)?;
        gits.push(site.look(&slot)?);
        site.release(&slot, "")?;
    }
    let line = |label, other| {
        Line::new(PARKED, ours.clone())
            .of(site.size)
            .against(label, other)
    };
    report.add(line("git status --ignored", gits).goal(Goal::Most(5.0)));
    report.add(line("one durable write", writes));
    Ok(())
}

fn checking(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut ours, mut gits) = (Samples::times(), Samples::times());
    // A verified slot would be handed out before one that is not.
    let (_, other) = site.allocate("--no-fetch")?;
    let (_, slot) = site.allocate("--no-fetch")?;
    for round in 0..site.rounds() {
        site.release(&slot, "--no-cleanup")?;
        let (took, again) = site.allocate("--no-fetch")?;
        if again != slot {
            return Err("another slot was handed out than the one last used".into());
        }
        ours.push(took);
        site.check_once(round, &slot, 0)?;
        gits.push(site.look(&slot)?);
    }
    site.release(&slot, "")?;
    site.release(&other, "")?;
    let goal = match site.size {
        Size::Small => Goal::Above(3.0),
        _ => Goal::Ratio(1.15),
    };
    let line = Line::new(CHECKING, ours).of(site.size);
    report.add(line.against("git status --ignored", gits).goal(goal));
    Ok(())
}

fn fetch(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut ours, mut fetches, mut asks) = (Samples::times(), Samples::times(), Samples::times());
    for round in 0..site.rounds() {
        let (took, slot) = site.allocate("")?;
        ours.push(took);
        fetches.push(site.git(&["fetch", "--all", "--quiet", "--prune"])?);
        asks.push(site.git(&["ls-remote", "--quiet", "origin", "refs/heads/*"])?);
        site.check_once(round, &slot, 0)?;
        site.release(&slot, "")?;
    }
    let line = |label, other| {
        Line::new(FETCH, ours.clone())
            .of(site.size)
            .against(label, other)
    };
    report.add(line("git fetch --all --prune", fetches).goal(Goal::Ratio(1.15)));
    report.add(line("git ls-remote", asks));
    Ok(())
}

/// The first allocation after the base has moved fetches; the second one finds it known, and a
/// slot that is where the base was.
fn moved(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut known, mut fetched) = (Samples::times(), Samples::times());
    let mut fetches = Samples::times();
    let mut gits = ["read-tree -m -u", "checkout --detach", "reset --hard"]
        .map(|name| (name, Samples::times()));
    for round in 0..site.rounds() {
        let state = (round + 1) % 2;
        let (from, to) = (&site.remote.states[1 - state], &site.remote.states[state]);
        site.remote.move_to(site.stage, state)?;
        let (took, first) = site.allocate("")?;
        fetched.push(took);
        fetches.push(site.git(&["fetch", "--all", "--quiet", "--prune"])?);
        let (took, second) = site.allocate("--no-fetch")?;
        known.push(took);
        for (command, samples) in &mut gits {
            site.tree_to(from)?;
            samples.push(site.move_tree(command, from, to)?);
        }
        site.check_once(round, &first, state)?;
        site.check_once(round, &second, state)?;
        site.release(&first, "")?;
        site.release(&second, "")?;
    }
    site.back_to_start()?;
    let [first, others @ ..] = gits;
    let least = |a: (_, Samples), b: (_, Samples)| if b.1.median() < a.1.median() { b } else { a };
    let (name, move_alone) = others.into_iter().fold(first, least);
    let with_fetch = fetches.plus(&move_alone);
    let line = Line::new(MOVED, known).of(site.size);
    report.add(
        line.against(format!("git {name}"), move_alone)
            .goal(Goal::Ratio(1.2)),
    );
    let line = Line::new(MOVED_FETCH, fetched).of(site.size);
    report.add(line.against(format!("git fetch, {name}"), with_fetch));
    Ok(())
}

fn worktree_add(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut ours, mut gits) = (Samples::times(), Samples::times());
    for _ in 0..site.stage.options.few(site.size) {
        let (took, slot) = site.allocate("--no-fetch")?;
        ours.push(took);
        site.release(&slot, "")?;
        let new = site.stage.path("new-worktree");
        gits.push(site.add_worktree(&new)?);
        site.remove(&new)?;
    }
    let goal = match site.size {
        Size::Small => Goal::None,
        Size::Medium => Goal::Ratio(0.02),
        Size::Large => Goal::Ratio(0.002),
    };
    let line = Line::new(WORKTREE_ADD, ours).of(site.size);
    report.add(line.against("git worktree add", gits).goal(goal));
    Ok(())
}

fn status(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut ours, mut gits) = (Samples::times(), Samples::times());
    for _ in 0..site.rounds() {
        ours.push(site.pool("status p")?);
        gits.push(site.git(&["worktree", "list"])?);
    }
    report.add(
        Line::new(STATUS, ours)
            .of(site.size)
            .against("git worktree list", gits),
    );
    Ok(())
}
