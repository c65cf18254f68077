//! Giving a slot back.

use super::super::report::Line;
use super::*;

pub const CLEAN: &str = "release, clean slot";
const DIRTY: &str = "release, dirty slot, work saved";
const DISCARD: &str = "release --discard, dirty slot";
const BACKGROUND: &str = "release --background, dirty slot";

pub const BENCHES: [Bench; 2] = [
    Bench {
        names: &[CLEAN],
        run: clean,
    },
    Bench {
        names: &[DIRTY, DISCARD, BACKGROUND],
        run: dirty,
    },
];

fn clean(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut ours, mut gits) = (Samples::times(), Samples::times());
    for _ in 0..site.rounds() {
        let (_, slot) = site.allocate("--no-fetch")?;
        gits.push(site.look(&slot)?);
        ours.push(site.release(&slot, "")?);
    }
    let line = Line::new(CLEAN, ours).of(site.size);
    report.add(
        line.against("git status --ignored", gits)
            .goal(Goal::Ratio(1.3)),
    );
    Ok(())
}

/// Like a build in the slot, and the same in git's own worktree, where git removes it.
fn dirty(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let background = site.stage.knows("release", "--background");
    let mut ways = vec![(DIRTY, ""), (DISCARD, "--discard")];
    if background {
        ways.push((BACKGROUND, "--background"));
    }
    let mut ours = vec![Samples::times(); ways.len()];
    let mut gits = Samples::times();
    let dirt = site.dirt();
    for round in 0..site.rounds().min(5) {
        for ((_, options), samples) in ways.iter().zip(&mut ours) {
            let (_, slot) = site.allocate("--no-fetch")?;
            site.soil(&slot, &dirt)?;
            samples.push(site.release(&slot, options)?);
            if round == 0 {
                let (_, again) = site.allocate("--no-fetch")?;
                site.check(&again, 0)?;
                site.release(&again, "")?;
            }
        }
        site.soil(&site.tree, &dirt)?;
        gits.push(site.clean_tree()?);
    }
    for ((name, options), ours) in ways.into_iter().zip(ours) {
        let goal = match options {
            "" => Goal::Ratio(dirty_share(site.size)),
            "--background" => Goal::Most(20.0),
            _ => Goal::None,
        };
        let line = Line::new(name, ours).of(site.size).goal(goal);
        report.add(line.against("git clean -ffdx, reset --hard", gits.clone()));
    }
    if !background {
        report.not_there(Some(site.size), BACKGROUND, "not there yet");
    }
    Ok(())
}

/// What cleaning may cost of what it costs git.
fn dirty_share(size: Size) -> f64 {
    match size {
        Size::Small => 0.15,
        Size::Medium => 0.25,
        Size::Large => 0.6,
    }
}
