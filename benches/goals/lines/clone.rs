//! A slot against a clone over the same transport.

use super::super::report::Line;
use super::*;

const TIME: &str = "one more slot, against one more clone";
const HISTORY: &str = "disk of a slot but its files";
const DISK: &str = "disk of a slot";

pub const BENCHES: [Bench; 1] = [Bench {
    names: &[TIME, HISTORY, DISK],
    run: clone,
}];

fn clone(site: &Site<'_>, report: &mut Report<'_>) -> Result<()> {
    let (mut slots, mut clones) = (Samples::times(), Samples::times());
    let place = site.stage.path("one-more");
    let at = place.display().to_string();
    let (mut history, mut files) = (0, 0);
    for _ in 0..site.stage.options.few(site.size) {
        let url = site.remote.url();
        clones.push(timed(site.stage.command("git").args(["clone", "-q", &url, &at]))?.took);
        history = disk(&place.join(".git"));
        files = disk(&place) - history;
        std::fs::remove_dir_all(&place)?;
        slots.push(site.pool("add-slot p")?);
        site.pool("remove-slot p/slot3")?;
    }
    let (_, slot) = site.allocate("--no-fetch")?;
    let name = slot.file_name().ok_or("a slot without a name")?;
    let own = disk(&site.workspace.join("p/repo.git/worktrees").join(name));
    let whole = disk(&slot) + own;
    site.release(&slot, "")?;

    let long = site.size == Size::Medium && !site.stage.options.short;
    let wanted = |goal| if long { goal } else { Goal::None };
    let line = Line::new(TIME, slots)
        .of(site.size)
        .goal(wanted(Goal::Faster(10.0)));
    report.add(line.against("git clone", clones));
    let line = Line::new(HISTORY, Samples::bytes(own))
        .of(site.size)
        .goal(wanted(Goal::Ratio(0.1)));
    report.add(line.against("of a clone", Samples::bytes(history)));
    let line = Line::new(DISK, Samples::bytes(whole)).of(site.size);
    report.add(line.against("of a clone", Samples::bytes(history + files)));
    Ok(())
}
