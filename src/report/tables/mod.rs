//! What people read about pools, slots and their history.
//!
//! Each function returns lines with a line end, ready for [`Output::text`](super::Output::text);
//! of nothing it returns nothing. Times are shown as ages as of `now`.

mod apply;
mod dispatch;
mod history;
mod pool;
mod rescue;
mod slot;

pub use apply::steps;
pub use dispatch::{EventLines, Weight, agent_pools, plan, progress, run, summary, weight, why};
pub use history::{Following, events, findings, warmed};
pub use pool::{pool, pools};
pub use rescue::{holds, rescue, rescues};
pub use slot::slot;

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use super::escape::escape;
use super::grid::{Column, Fit, Grid, Layout, Text};
use super::human;
use super::tone::{Tone, painted};
use crate::domain::names::SlotId;
use crate::domain::outcome::{BranchView, Determined, OwnerView};
use crate::domain::slot::SlotState;
use history::words;

/// A slot as it is typed: `<pool>/slot<N>` for an id in full; anything else stays.
pub fn short_id(slot_id: &str) -> Cow<'_, str> {
    match slot_id.parse::<SlotId>() {
        Ok(id) => Cow::Owned(format!("{}/{}", id.pool, id.dir_name())),
        Err(_) => Cow::Borrowed(slot_id),
    }
}

/// What stands above something that is shown again and again.
pub fn watched(what: &str, interval: Duration, now: Timestamp, layout: &Layout) -> String {
    let every = human::seconds(interval.as_secs_f64());
    let text = format!("{}  every {every}  {now:.0}", safe(what));
    painted(&text, Tone::Dim, layout.color)
}

/// Below this width, what matters less gives way to what matters more.
const WIDE: u16 = 120;

/// Whether there is too little room to say everything.
fn is_narrow(layout: &Layout) -> bool {
    layout.width.is_some_and(|width| width < WIDE)
}

/// The branches of a remote with their commits.
pub fn branches(branches: &[BranchView], layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("BRANCH").fit(Fit::Wrap(20)),
        Column::new("COMMIT").fit(Fit::Wrap(12)),
    ]);
    for branch in branches {
        grid.row([Text::new(&branch.name), Text::new(&branch.commit)]);
    }
    grid.render(layout)
}

/// Settings: key, value, and where the value comes from.
pub fn settings(rows: &[[String; 3]], layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("SETTING"),
        Column::new("VALUE").fit(Fit::Wrap(20)),
        Column::new("FROM").fit(Fit::Wrap(12)),
    ]);
    for row in rows {
        grid.row(row.iter().map(Text::new));
    }
    grid.render(layout)
}

/// A state in its colour.
fn state(state: SlotState) -> Text {
    let tone = match state {
        SlotState::Available => Tone::Green,
        SlotState::Allocated => Tone::Yellow,
        SlotState::Cleaning => Tone::Cyan,
        SlotState::Error => Tone::Red,
    };
    Text::new(state.to_string()).tone(tone)
}

/// A holder in a few words: `agent-7, pid 4711, gone`; empty when it said nothing of itself.
fn holder(owner: &OwnerView) -> String {
    let pid = owner.owner.process.as_ref().map(|process| process.pid);
    let mut parts: Vec<String> = Vec::new();
    parts.extend(owner.owner.label.clone());
    parts.extend(pid.map(|pid| format!("pid {pid}")));
    if owner.liveness == Some("dead") {
        parts.push("gone".to_owned());
    }
    parts.join(", ")
}

/// The same for a table, where the process that asked for the slot stands for who said nothing.
fn holder_or_caller(owner: &OwnerView) -> String {
    let named = holder(owner);
    match owner.caller_pid {
        Some(pid) if owner.owner.label.is_none() && owner.owner.process.is_none() => {
            format!("pid {pid}")
        }
        _ => named,
    }
}

/// A commit as it is usually abbreviated here.
pub fn short_commit(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// What may not be determinable.
fn determined<T>(value: &Determined<T>, show: impl Fn(&T) -> String) -> Option<String> {
    let value = value.as_ref()?;
    Some(value.as_ref().map_or_else(|| "?".to_owned(), show))
}

/// A size that may not be determinable.
fn size(bytes: &Determined<u64>) -> Option<String> {
    determined(bytes, |bytes| human::bytes(*bytes))
}

/// Text of several lines (git's words) in one.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// A text from outside in a line of this layer's.
fn safe(text: &str) -> Cow<'_, str> {
    escape(text)
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_said_nothing_is_named_by_its_process() {
        let mut owner = OwnerView {
            caller_pid: Some(4712),
            ..OwnerView::default()
        };
        assert_eq!(holder_or_caller(&owner), "pid 4712");
        owner.owner.label = Some("agent-7".into());
        assert_eq!(holder_or_caller(&owner), "agent-7");
    }

    #[test]
    fn ids_are_shown_as_they_are_typed() {
        assert_eq!(short_id("workspace-my-project-slot12"), "my-project/slot12");
        assert_eq!(short_id("elsewhere"), "elsewhere");
    }

    #[test]
    fn branches_and_settings_are_plain_columns() {
        let list = [BranchView {
            name: "feature/\u{1b}[31mx".into(),
            commit: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".into(),
        }];
        insta::assert_snapshot!(branches(&list, &Layout::default()), @r"
        BRANCH             COMMIT
        feature/\x1b[31mx  1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
        ");
        let rows = [
            ["git_timeout", "5m", "built in"],
            ["jobs", "4", "pools.toml:3"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        insta::assert_snapshot!(settings(&rows, &Layout::default()), @"
        SETTING      VALUE  FROM
        git_timeout  5m     built in
        jobs         4      pools.toml:3
        ");
        assert_eq!(settings(&[], &Layout::default()), "");
    }

    /// The longest names there can be, in letters of two columns where they may be.
    fn crowded() -> crate::domain::outcome::PoolView {
        let name = "n".repeat(64);
        let mut pool = samples::pool();
        pool.repo_name = name.clone();
        for slot in &mut pool.slots {
            slot.slot_id = slot.slot_id.replace("my-project", &name);
            slot.repo_name = name.clone();
            slot.current_branch = Some(Some("枝".repeat(40)));
            if let Some(owner) = &mut slot.owner {
                owner.owner.label = Some("作業者 👩‍👩‍👧 ".repeat(9));
            }
        }
        pool
    }

    #[test]
    fn nothing_is_wider_than_the_terminal_whatever_it_is_called() {
        use crate::report::grid::width_of;
        let pool = crowded();
        let mut pools = samples::pools();
        pools[0].repo_name = pool.repo_name.clone();
        let mut events = samples::events();
        for event in &mut events {
            event.repo_name = pool.repo_name.clone();
            event.slot_id = Some(pool.slots[1].slot_id.clone());
        }
        let mut saved = samples::rescue().rescue;
        saved.slot_id = pool.slots[1].slot_id.clone();
        saved.subject = "題".repeat(99);
        for width in [80, 100, 120, 200] {
            let layout = samples::at(Some(width));
            let now = samples::now();
            let slots = super::pool(&pool, now, &layout);
            let (_, slots) = slots.split_once("\n\n").unwrap();
            let all = [
                super::pools(&pools, now, &layout),
                slots.to_owned(),
                slot(&pool.slots[1], now, &layout),
                rescues(std::slice::from_ref(&saved), now, &layout),
                super::events(&events, now, &layout),
            ];
            let card = |line: &str| line.starts_with("repo-pool ");
            for line in all.iter().flat_map(|text| text.lines()) {
                // A command can be pasted only in whole.
                let fits = width_of(line) <= usize::from(width) || card(line);
                assert!(fits, "{width}: {line:?}");
            }
            assert!(
                all[1].contains("nn/slot4") && all[3].contains("nn/slot2"),
                "{}",
                all[1]
            );
        }
    }
}
