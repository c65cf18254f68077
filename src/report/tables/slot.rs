//! Everything about one slot: who has it, since when, what is in it, what can be done.

use jiff::Timestamp;

use super::pool::under_way;
use super::{determined, holder, one_line, short_id, size, state};
use crate::domain::outcome::{OwnerView, ReclaimView, SlotView};
use crate::domain::slot::SlotState;
use crate::report::grid::{Column, Fit, Grid, Layout, Text};
use crate::report::human::{self, since};
use crate::report::tone::Tone;

/// A card of facts, and the commands that make sense now.
pub fn slot(slot: &SlotView, now: Timestamp, layout: &Layout) -> String {
    let mut card = Card {
        grid: Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]),
    };
    card.add("slot", Text::new(short_id(&slot.slot_id)).tone(Tone::Bold));
    card.add("id", Text::new(&slot.slot_id));
    card.add("state", state(slot.state));
    card.maybe("reason", slot.error.as_deref().map(one_line));
    card.maybe("doing", doing(slot, now));
    card.maybe("holder", slot.owner.as_ref().map(described));
    card.maybe("since", slot.allocated_at.map(|at| moment(at, now)));
    card.maybe("lease", lease(slot, now));
    card.maybe("but", slot.reclaim.as_ref().map(against));
    card.maybe("allocation", allocation(slot));
    card.maybe("metadata", metadata(slot));
    card.add("path", Text::new(&slot.slot_path));
    card.maybe("branch", branch(slot));
    card.maybe("commit", determined(&slot.current_commit, String::clone));
    card.add("remote", Text::new(&slot.repo_url));
    card.add("used", Text::new(used(slot, now)));
    card.maybe("disk", size(&slot.disk_usage_bytes));
    card.add("made", Text::new(moment(slot.created_at, now)));
    let mut text = card.grid.render(layout);
    let commands = commands(slot);
    if !commands.is_empty() {
        text.push('\n');
        text.push_str(&rendered(&commands, layout));
    }
    text
}

struct Card {
    grid: Grid,
}

impl Card {
    fn add(&mut self, key: &str, value: Text) {
        self.grid.row([Text::new(key).tone(Tone::Dim), value]);
    }

    fn maybe(&mut self, key: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value.filter(|value| !value.as_ref().is_empty()) {
            self.add(key, Text::new(value));
        }
    }
}

/// `2026-07-01T10:00:00Z (3h ago)`, in whole seconds.
fn moment(at: Timestamp, now: Timestamp) -> String {
    format!("{at:.0} ({} ago)", since(at, now))
}

fn doing(slot: &SlotView, now: Timestamp) -> Option<String> {
    let operation = slot.operation.as_ref()?;
    let text = under_way(operation, now);
    Some(match slot.is_locked {
        // What it waits for is the reason.
        Some(Some(false)) if slot.error.is_none() => {
            format!("{text}; nobody works on it any more")
        }
        _ => text,
    })
}

fn described(owner: &OwnerView) -> String {
    let mut text = holder(owner);
    if text.is_empty() {
        text.push_str("not named");
    }
    match owner.liveness {
        Some("alive") => text.push_str(" (alive)"),
        Some("unknown") => text.push_str(" (not known whether alive)"),
        _ => {}
    }
    let caller = owner
        .caller_pid
        .map(|pid| format!("; allocated by pid {pid}"));
    text + &caller.unwrap_or_default()
}

/// `2h, renewed 4m ago, ends 2026-07-01T13:56:00Z`.
fn lease(slot: &SlotView, now: Timestamp) -> Option<String> {
    let mut parts = vec![human::seconds(slot.ttl_seconds?)];
    parts.extend(
        slot.renewed_at
            .map(|at| format!("renewed {} ago", since(at, now))),
    );
    parts.extend(slot.expires_at.map(|at| match at > now {
        true => format!("ends {at:.0}"),
        false => format!("ran out {} ago", since(at, now)),
    }));
    Some(parts.join(", "))
}

/// What speaks against the holder, and what follows.
fn against(reclaim: &ReclaimView) -> String {
    let reason = &reclaim.reason;
    match (reclaim.verdict, reclaim.after_seconds) {
        ("reclaimable", _) => format!("{reason}: the slot is taken back when one is needed"),
        (_, Some(left)) => format!(
            "{reason}: the slot may be taken back in {}",
            human::seconds(left)
        ),
        _ => reason.clone(),
    }
}

fn allocation(slot: &SlotView) -> Option<String> {
    let id = slot.allocation_id.as_ref()?;
    let generation = slot.generation;
    let generation = generation.map(|n| format!(" (generation {n})"));
    Some(format!("{id}{}", generation.unwrap_or_default()))
}

/// `task_id=123, host=a`.
fn metadata(slot: &SlotView) -> Option<String> {
    let pairs = slot
        .metadata
        .iter()
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!("{key}={text}"),
            None => format!("{key}={value}"),
        });
    let text = pairs.collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}

fn branch(slot: &SlotView) -> Option<String> {
    let branch = determined(&slot.current_branch, String::clone);
    let at_commit = matches!(slot.current_commit, Some(Some(_)));
    branch.or_else(|| at_commit.then(|| "none (detached)".to_owned()))
}

fn used(slot: &SlotView, now: Timestamp) -> String {
    let mut text = human::count(slot.allocation_count, "time");
    if slot.total_usage_seconds > 0.0 {
        text.push_str(&format!(
            ", {} in all",
            human::seconds(slot.total_usage_seconds)
        ));
    }
    if let Some(at) = slot.last_released_at {
        text.push_str(&format!(", last given back {} ago", since(at, now)));
    }
    text
}

/// What can be done now: command and effect.
fn commands(slot: &SlotView) -> Vec<(String, &'static str)> {
    let name = short_id(&slot.slot_id);
    let recover = |option: &str| format!("repo-pool recover {name}{option}");
    match slot.state {
        SlotState::Available => vec![
            (
                format!("repo-pool allocate {}", slot.repo_name),
                "hands out a slot",
            ),
            (format!("repo-pool isolate {name}"), "takes it out of use"),
        ],
        SlotState::Allocated => {
            let verdict = slot.reclaim.as_ref().map(|reclaim| reclaim.verdict);
            let mut commands = vec![
                (
                    format!("repo-pool collect {name}"),
                    "fetches its branches to here",
                ),
                (
                    format!("repo-pool release {name}"),
                    "saves its work, cleans, gives it back",
                ),
            ];
            if verdict == Some("reclaimable") {
                commands.push((recover(""), "takes it back from its holder, its work saved"));
            }
            commands
        }
        SlotState::Cleaning if slot.is_locked == Some(Some(true)) => Vec::new(),
        SlotState::Cleaning if slot.error.is_some() => vec![(
            format!("repo-pool release {name} --kill"),
            "ends who is inside, and finishes giving it back",
        )],
        SlotState::Cleaning => vec![(recover(""), "ends what a killed command left undone")],
        SlotState::Error => vec![
            (recover(""), "brings it back if it verifies"),
            (recover(" --force"), "saves its work, then rebuilds it"),
        ],
    }
}

fn rendered(commands: &[(String, &'static str)], layout: &Layout) -> String {
    let mut grid = Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]);
    for (command, effect) in commands {
        grid.row([Text::new(command), Text::new(effect).tone(Tone::Dim)]);
    }
    grid.render(layout)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn card(at: usize, width: Option<u16>) -> String {
        let layout = Layout {
            width,
            color: false,
        };
        slot(&samples::pool().slots[at], samples::now(), &layout)
    }

    #[test]
    fn an_available_slot() {
        insta::assert_snapshot!(card(0, Some(80)), @"
        slot    my-project/slot1
        id      workspace-my-project-slot1
        state   available
        path    /home/me/.local/share/repo-pool/my-project/worktrees/slot1
        branch  none (detached)
        commit  1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
        remote  https://example.com/team/my-project.git
        used    3 times, 2d 4h in all, last given back 2h ago
        made    2026-06-26T20:53:20Z (4d ago)

        repo-pool allocate my-project       hands out a slot
        repo-pool isolate my-project/slot1  takes it out of use
        ");
    }

    #[test]
    fn an_allocated_slot() {
        insta::assert_snapshot!(card(1, Some(80)), @r"
        slot        my-project/slot2
        id          workspace-my-project-slot2
        state       allocated
        holder      agent-7, pid 4711 (alive); allocated by pid 4712
        since       2026-07-01T08:56:40Z (3h ago)
        allocation  0123456789abcdef0123456789abcdef (generation 7)
        metadata    task_id=123, title=fix the\x1b[31m bug
        path        /home/me/.local/share/repo-pool/my-project/worktrees/slot2
        branch      worktree/my-project/slot2
        commit      1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
        remote      https://example.com/team/my-project.git
        used        3 times, 2d 4h in all
        disk        1.2 GiB
        made        2026-06-26T20:53:20Z (4d ago)

        repo-pool collect my-project/slot2  fetches its branches to here
        repo-pool release my-project/slot2  saves its work, cleans, gives it back
        ");
    }

    #[test]
    fn a_slot_whose_lease_ran_out() {
        let mut leased = samples::pool().slots[1].clone();
        leased.ttl_seconds = Some(7200.0);
        leased.renewed_at = Some("2026-07-01T09:30:00Z".parse().unwrap());
        leased.expires_at = Some("2026-07-01T11:30:00Z".parse().unwrap());
        leased.reclaim = Some(ReclaimView {
            verdict: "reclaimable",
            reason: "its lease ran out".into(),
            after_seconds: None,
        });
        let text = slot(&leased, samples::now(), &Layout::default());
        insta::assert_snapshot!(text.lines().skip(3).take(4).collect::<Vec<_>>().join("\n"), @"
        holder      agent-7, pid 4711 (alive); allocated by pid 4712
        since       2026-07-01T08:56:40Z (3h ago)
        lease       2h 0m, renewed 2h ago, ran out 30m ago
        but         its lease ran out: the slot is taken back when one is needed
        ");
        assert!(
            text.contains("repo-pool recover my-project/slot2"),
            "{text}"
        );
        leased.reclaim = Some(ReclaimView {
            verdict: "not_yet",
            reason: "its holder is gone".into(),
            after_seconds: Some(7.0),
        });
        let text = slot(&leased, samples::now(), &Layout::default());
        assert!(
            text.contains("its holder is gone: the slot may be taken back in 7.0 s"),
            "{text}"
        );
        assert!(!text.contains("repo-pool recover"), "{text}");
    }

    #[test]
    fn an_abandoned_slot() {
        insta::assert_snapshot!(card(2, Some(200)), @"
        slot    my-project/slot3
        id      workspace-my-project-slot3
        state   cleaning
        doing   release for 4s (pid 99); nobody works on it any more
        path    /home/me/.local/share/repo-pool/my-project/worktrees/slot3
        branch  none (detached)
        commit  1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
        remote  https://example.com/team/my-project.git
        used    3 times, 2d 4h in all
        made    2026-06-26T20:53:20Z (4d ago)

        repo-pool recover my-project/slot3  ends what a killed command left undone
        ");
    }

    #[test]
    fn a_slot_out_of_use() {
        insta::assert_snapshot!(card(3, None), @r"
        slot    my-project/slot4
        id      workspace-my-project-slot4
        state   error
        reason  HEAD is damaged: fatal: bad object HEAD
        path    /pools of \x1b[31mred/slot4
        commit  ?
        remote  https://example.com/team/my-project.git
        used    3 times, 2d 4h in all
        made    2026-06-26T20:53:20Z (4d ago)

        repo-pool recover my-project/slot4          brings it back if it verifies
        repo-pool recover my-project/slot4 --force  saves its work, then rebuilds it
        ");
    }
}
