//! Everything about one slot: who has it, since when, what is in it, what can be done.

use jiff::Timestamp;

use super::pool::under_way;
use super::{determined, holder, one_line, short_commit, short_id, size, state};
use crate::domain::gist;
use crate::domain::outcome::{
    ChangeCounts, OwnerView, PastCleanup, ProcessView, ReclaimView, RescueView, SlotContent,
    SlotView,
};
use crate::report::grid::{Column, Fit, Grid, Layout, Text};
use crate::report::human::{self, since};
use crate::report::tone::Tone;

mod commands;

/// A card of facts, and the commands that make sense now.
pub fn slot(slot: &SlotView, now: Timestamp, layout: &Layout) -> String {
    let mut card = Card {
        grid: Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]),
    };
    card.add("slot", Text::new(short_id(&slot.slot_id)).tone(Tone::Bold));
    card.add("id", Text::new(&slot.slot_id));
    card.add("state", state(slot.state));
    card.maybe("reason", slot.error.as_deref().map(gist));
    card.maybe("doing", doing(slot, now));
    card.maybe("holder", slot.owner.as_ref().map(described));
    card.maybe("taken by", slot.owner.as_ref().and_then(caller));
    card.maybe("since", slot.allocated_at.map(|at| moment(at, now)));
    card.maybe("lease", lease(slot, now));
    card.maybe("but", slot.reclaim.as_ref().map(against));
    card.maybe("allocation", allocation(slot));
    card.maybe("key", slot.key.as_deref().map(one_line));
    card.maybe("metadata", metadata(slot));
    card.add("path", Text::new(&slot.slot_path));
    content(&mut card, slot);
    card.maybe("disk", size(&slot.disk_usage_bytes));
    card.add("remote", Text::new(&slot.repo_url));
    card.add("used", Text::new(used(slot, now)));
    if let Some(details) = &slot.details {
        card.maybe(
            "cleaned",
            details.last_cleanup.as_ref().map(|past| cleaned(past, now)),
        );
        card.maybe("saved", saved(details.rescues.as_deref(), now));
    }
    card.add("made", Text::new(moment(slot.created_at, now)));
    let mut text = card.grid.render(layout);
    let commands = commands::of(slot);
    if !commands.is_empty() {
        text.push('\n');
        text.push_str(&commands::rendered(&commands, layout));
    }
    text
}

/// What is in it, and who.
fn content(card: &mut Card, slot: &SlotView) {
    let details = slot.details.as_deref();
    let work = details.and_then(|details| details.work.as_ref()?.as_ref());
    card.maybe("damage", details.and_then(|details| details.fault.as_ref()));
    card.maybe("branch", branch(slot, work));
    card.maybe("commit", commit(slot, work));
    if let Some(work) = work {
        card.maybe("amid", work.under_way);
        card.maybe("changes", Some(changes(work.changes)));
        card.maybe("unpushed", unpushed(work));
    }
    card.maybe(
        "inside",
        details.and_then(|details| inside(&details.processes)),
    );
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

/// `agent-7, pid 4711 (alive): make test`.
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
    with_command(text, owner.command.as_deref())
}

/// The process that called `allocate`, where it is not the owner.
fn caller(owner: &OwnerView) -> Option<String> {
    let named = owner.owner.process.as_ref().map(|process| process.pid);
    let pid = owner.caller_pid.filter(|pid| named != Some(*pid))?;
    Some(with_command(
        format!("pid {pid}"),
        owner.caller_command.as_deref(),
    ))
}

fn with_command(text: String, command: Option<&str>) -> String {
    match command {
        Some(command) => format!("{text}: {command}"),
        None => text,
    }
}

/// `2h, renewed 4m ago, 1h 56m left (until 2026-07-01T13:56:00Z)`.
fn lease(slot: &SlotView, now: Timestamp) -> Option<String> {
    let mut parts = vec![human::seconds(slot.ttl_seconds?)];
    parts.extend(
        slot.renewed_at
            .map(|at| format!("renewed {} ago", since(at, now))),
    );
    parts.extend(slot.expires_at.map(|at| match at > now {
        true => format!("{} left (until {at:.0})", since(now, at)),
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

/// `fix-login, 2 ahead of main, 1 behind`.
fn branch(slot: &SlotView, work: Option<&SlotContent>) -> Option<String> {
    let at_commit = matches!(slot.current_commit, Some(Some(_)));
    let branch = determined(&slot.current_branch, String::clone)
        .or_else(|| at_commit.then(|| "none (detached)".to_owned()))?;
    let Some(work) = work else {
        return Some(branch);
    };
    let base = work.base_branch.as_deref().unwrap_or("the base");
    Some(match (work.ahead, work.behind) {
        (Some(0), Some(0)) => format!("{branch}, at {base}"),
        (Some(ahead), Some(0)) => format!("{branch}, {ahead} ahead of {base}"),
        (Some(0), Some(behind)) => format!("{branch}, {behind} behind {base}"),
        (Some(ahead), Some(behind)) => {
            format!("{branch}, {ahead} ahead of {base}, {behind} behind")
        }
        _ => branch,
    })
}

/// `1a2b3c4d Fix the login`.
fn commit(slot: &SlotView, work: Option<&SlotContent>) -> Option<String> {
    let subject = work.and_then(|work| work.commit_subject.as_deref());
    determined(&slot.current_commit, |commit| match subject {
        Some(subject) => format!("{} {}", short_commit(commit), one_line(subject)),
        None => commit.clone(),
    })
}

/// `2 staged, 1 changed, 3 untracked`.
fn changes(counts: Option<ChangeCounts>) -> String {
    let Some(counts) = counts else {
        return "?".to_owned();
    };
    let parts: Vec<String> = [
        (counts.staged, "staged"),
        (counts.unstaged, "changed"),
        (counts.untracked, "untracked"),
        (counts.conflicts, "with conflicts"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(", "),
    }
}

/// `2 commits, 1 left behind`; nothing if there is none.
fn unpushed(work: &SlotContent) -> Option<String> {
    let (Some(commits), Some(left_behind)) = (work.unpushed_commits, work.left_behind_commits)
    else {
        return Some("?".to_owned());
    };
    let mut parts = Vec::new();
    if commits > 0 {
        parts.push(human::count(commits, "commit"));
    }
    if left_behind > 0 {
        parts.push(format!("{left_behind} left behind"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How many processes are named.
const NAMED: usize = 3;

/// `pid 4711 (make test), pid 4720 (cc1)`.
fn inside(processes: &[ProcessView]) -> Option<String> {
    let shown = processes.iter().take(NAMED);
    let mut parts: Vec<String> = shown
        .map(|process| format!("pid {} ({})", process.pid, process.command))
        .collect();
    if processes.len() > NAMED {
        parts.push(format!("{} more", processes.len() - NAMED));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `4m ago, in 250 ms; failed: …`.
fn cleaned(past: &PastCleanup, now: Timestamp) -> String {
    let mut text = format!("{} ago", since(past.time, now));
    if let Some(seconds) = past.duration_seconds {
        text.push_str(&format!(", in {}", human::seconds(seconds)));
    }
    for error in &past.errors {
        text.push_str(&format!("; failed: {}", gist(error)));
    }
    text
}

/// The newest work that was saved from it, and how much there is.
fn saved(rescues: Option<&[RescueView]>, now: Timestamp) -> Option<String> {
    let Some(rescues) = rescues else {
        return Some("?".to_owned());
    };
    let newest = rescues.last()?;
    let mut text = format!(
        "{} ({} ago): {}",
        newest.rescue_id,
        since(newest.created_at, now),
        one_line(&newest.subject)
    );
    if rescues.len() > 1 {
        text.push_str(&format!("; {} in all", rescues.len()));
    }
    Some(text)
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

#[cfg(test)]
mod tests;
