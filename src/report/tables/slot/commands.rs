//! What can be done with a slot now: command and effect, chosen by its state.

use crate::domain::outcome::SlotView;
use crate::domain::slot::SlotState;
use crate::report::advice::here;
use crate::report::escape::escape;
use crate::report::grid::{Column, Fit, Grid, Layout, Text, width_of};
use crate::report::tables::short_id;
use crate::report::tone::{Tone, painted};

/// A command, and what it does.
pub(super) type Advice = (String, &'static str);

/// The commands that make sense now.
pub(super) fn of(slot: &SlotView) -> Vec<Advice> {
    let name = short_id(&slot.slot_id);
    let on_it = |verb: &str| format!("repo-pool {verb} {name}");
    let recover = |option: &str| format!("repo-pool recover {name}{option}");
    let mut commands = match slot.state {
        SlotState::Available => vec![
            (
                format!("repo-pool allocate {}", slot.repo_name),
                "hands out a slot",
            ),
            (on_it("isolate"), "takes it out of use"),
        ],
        SlotState::Allocated => held(slot, &on_it, &recover),
        SlotState::Cleaning if slot.is_locked == Some(Some(true)) => {
            vec![(on_it("log -f"), "shows when that is done")]
        }
        SlotState::Cleaning if slot.error.is_some() => vec![(
            format!("repo-pool release {name} --kill"),
            "ends who is inside, and finishes giving it back",
        )],
        SlotState::Cleaning => vec![(recover(""), "ends what a killed command left undone")],
        SlotState::Error => vec![
            (recover(""), "brings it back if it verifies"),
            (recover(" --force"), "saves its work, then rebuilds it"),
        ],
    };
    let faulty = slot
        .details
        .as_ref()
        .is_some_and(|details| details.fault.is_some());
    // The release of one that is held does that as well.
    if faulty && slot.state == SlotState::Available {
        commands.push((recover(""), "puts right what is damaged"));
    }
    commands.extend(saved_work(slot));
    commands
}

fn held(
    slot: &SlotView,
    on_it: &dyn Fn(&str) -> String,
    recover: &dyn Fn(&str) -> String,
) -> Vec<Advice> {
    let mut commands = vec![
        (on_it("collect"), "fetches its branches to here"),
        (on_it("release"), "saves its work, cleans, gives it back"),
    ];
    let mut inside = slot.details.iter().flat_map(|details| &details.processes);
    if inside.any(|process| !process.is_caller) {
        commands.push((on_it("release --kill"), "and ends the processes inside"));
    }
    if slot.ttl_seconds.is_some() {
        commands.push((on_it("renew"), "begins its lease anew"));
    }
    let verdict = slot.reclaim.as_ref().map(|reclaim| reclaim.verdict);
    if verdict == Some("reclaimable") {
        commands.push((recover(""), "takes it back from its holder, its work saved"));
    }
    commands
}

/// How to get at the newest work that was saved from it.
fn saved_work(slot: &SlotView) -> Option<Advice> {
    let newest = slot.details.as_ref()?.rescues.as_ref()?.last()?;
    let command = format!("repo-pool rescue show {}", newest.rescue_id);
    Some((command, "shows the work that was saved from it"))
}

/// How narrow what a command does may get beside it.
const EFFECT: usize = 20;

/// The commands, one a line; what each does beside it, or below where there is no room.
pub(super) fn rendered(commands: &[Advice], layout: &Layout) -> String {
    let commands = commands.iter();
    let commands: Vec<_> = commands
        .map(|(told, effect)| (here(told), effect))
        .collect();
    let widest = commands.iter().map(|(command, _)| width_of(command)).max();
    let room = layout.width.map(usize::from);
    if room.is_some_and(|room| widest.unwrap_or(0) + 2 + EFFECT > room) {
        let lines = commands.iter().map(|(command, effect)| {
            let effect = painted(effect, Tone::Dim, layout.color);
            format!("{}\n    {effect}\n", escape(command))
        });
        return lines.collect();
    }
    let mut grid = Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]);
    for (command, effect) in &commands {
        grid.row([Text::new(command), Text::new(**effect).tone(Tone::Dim)]);
    }
    grid.render(layout)
}
