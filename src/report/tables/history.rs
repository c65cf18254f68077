//! What happened, and what `recover` found.

use jiff::Timestamp;
use serde::Serialize;

use super::{is_narrow, safe, short_id};
use crate::domain::event::Event;
use crate::domain::gist;
use crate::domain::outcome::{Finding, FindingResult, WarmResult, WarmedPool};
use crate::report::grid::{Column, Fit, Grid, Layout, Text, width_of};
use crate::report::human::{self, since};
use crate::report::tone::{Tone, painted};

/// What was found and what became of it, then the counts.
pub fn findings(findings: &[Finding], layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("WHERE").fit(Fit::Shorten(24)),
        Column::new("FOUND"),
        Column::new("ACTION"),
        Column::new("RESULT"),
        Column::new("DETAIL").fit(Fit::Wrap(24)),
    ]);
    for finding in findings {
        let place = finding.slot_id.as_deref().map(short_id);
        grid.row([
            Text::new(place.as_deref().unwrap_or(&finding.repo_name)),
            Text::new(words(&finding.kind)),
            Text::new(words(&finding.action)),
            Text::new(words(&finding.result)).tone(result_tone(finding.result)),
            Text::new(gist(&finding.detail)),
        ]);
    }
    let mut text = grid.render(layout);
    if !findings.is_empty() {
        text.push_str(&format!("\n{}\n", counts(findings)));
    }
    text
}

/// The slots that were not ready before `warm`, each with what was done or why nothing was.
pub fn warmed(pools: &[WarmedPool], layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("SLOT").fit(Fit::Shorten(24)),
        Column::new("RESULT"),
        Column::new("DETAIL").fit(Fit::Wrap(24)),
    ]);
    let slots = pools.iter().flat_map(|pool| &pool.slots);
    for slot in slots.filter(|slot| slot.result != WarmResult::AlreadyWarm) {
        let tone = match slot.result {
            WarmResult::Failed => Tone::Red,
            WarmResult::PassedOver => Tone::Yellow,
            WarmResult::Warmed | WarmResult::AlreadyWarm => Tone::Green,
        };
        let mut detail = slot.operations.clone();
        detail.extend(slot.reason.clone());
        grid.row([
            Text::new(short_id(&slot.slot_id)),
            Text::new(words(&slot.result)).tone(tone),
            Text::new(told(&detail)),
        ]);
    }
    grid.render(layout)
}

/// `3 findings: 2 done, 1 failed`.
fn counts(findings: &[Finding]) -> String {
    let by_result: Vec<_> = [
        FindingResult::Done,
        FindingResult::Planned,
        FindingResult::Reported,
        FindingResult::Failed,
    ]
    .into_iter()
    .map(|result| {
        (
            findings.iter().filter(|f| f.result == result).count(),
            result,
        )
    })
    .filter(|(count, _)| *count > 0)
    .map(|(count, result)| format!("{count} {}", words(&result)))
    .collect();
    let all = human::count(findings.len() as u64, "finding");
    format!("{all}: {}", by_result.join(", "))
}

fn result_tone(result: FindingResult) -> Tone {
    match result {
        FindingResult::Done => Tone::Green,
        FindingResult::Planned => Tone::Cyan,
        FindingResult::Reported => Tone::Yellow,
        FindingResult::Failed => Tone::Red,
    }
}

/// Events in the order given: time, place, what, particulars. Where there is little room, the time is
/// an age.
pub fn events(events: &[Event], now: Timestamp, layout: &Layout) -> String {
    let narrow = is_narrow(layout);
    let when = match narrow {
        true => Column::new("AGE").right(),
        false => Column::new("TIME"),
    };
    let mut grid = Grid::new([
        when,
        Column::new("WHERE").fit(Fit::Shorten(24)),
        Column::new("WHAT"),
        Column::new("DETAILS").fit(Fit::Wrap(24)),
    ]);
    for event in events {
        let when = match narrow {
            true => since(event.time, now),
            false => time(event.time),
        };
        grid.row([
            Text::new(when).tone(Tone::Dim),
            Text::new(place(event)),
            Text::new(words(&event.kind)),
            Text::new(details(event, narrow)),
        ]);
    }
    grid.render(layout)
}

/// A history that is being followed: its lines appear one by one, and their columns get wider as they
/// have to.
#[derive(Debug, Default)]
pub struct Following {
    place: usize,
    kind: usize,
}

impl Following {
    /// The lines for these events.
    pub fn lines(&mut self, events: &[Event], layout: &Layout) -> String {
        let rows: Vec<_> = events
            .iter()
            .map(|event| {
                let details = details(event, false);
                [place(event), words(&event.kind), details].map(|text| safe(&text).into_owned())
            })
            .collect();
        let widest = |column: usize, least: usize| {
            let widths = rows.iter().map(|row| width_of(&row[column]));
            widths.fold(least, usize::max)
        };
        (self.place, self.kind) = (widest(0, self.place), widest(1, self.kind));
        let lines = events
            .iter()
            .zip(rows)
            .map(|(event, [place, kind, details])| {
                let time = painted(&time(event.time), Tone::Dim, layout.color);
                let line = format!(
                    "{time}  {}  {}  {details}",
                    padded(&place, self.place),
                    padded(&kind, self.kind)
                );
                line.trim_end().to_owned() + "\n"
            });
        lines.collect()
    }
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(width_of(text));
    format!("{text}{}", " ".repeat(missing))
}

fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn place(event: &Event) -> String {
    let slot = event.slot_id.as_deref().map(short_id);
    slot.as_deref().unwrap_or(&event.repo_name).to_owned()
}

/// The particulars in the order: who, which, how long, what was done, what went wrong. Briefly:
/// without what follows from the place.
fn details(event: &Event, briefly: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(event.owner.as_ref().map(|owner| format!("by {owner}")));
    let reference = match briefly {
        true => event
            .reference
            .as_deref()
            .and_then(|name| brief(name, event)),
        false => event.reference.as_deref(),
    };
    let commit = event.commit.as_deref().map(super::short_commit);
    match (reference, commit) {
        (Some(reference), Some(commit)) => parts.push(format!("{reference}@{commit}")),
        (Some(one), None) | (None, Some(one)) => parts.push(one.to_owned()),
        (None, None) => {}
    }
    parts.extend(event.duration_seconds.map(human::seconds));
    parts.extend((!event.operations.is_empty()).then(|| event.operations.join(", ")));
    parts.extend(event.detail.clone());
    parts.extend(event.errors.iter().map(|error| format!("failed: {error}")));
    told(&parts)
}

/// Several things on one line.
fn told(parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| gist(part)).collect();
    parts.join("; ")
}

/// A ref without what follows from the event: of the slot's own branch nothing is left, of a rescue
/// what it is called by.
fn brief<'a>(reference: &'a str, event: &Event) -> Option<&'a str> {
    let own = format!("worktree/{}", place(event));
    let short = reference.strip_prefix("refs/repo-pool/rescue/");
    (reference != own).then(|| short.unwrap_or(reference))
}

/// A value of the JSON contract in words: `unfinished operation`.
pub(super) fn words(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text.replace('_', " "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, at};
    use super::*;
    use crate::domain::outcome::WarmedSlot;

    #[test]
    fn findings_at_80_columns() {
        insta::assert_snapshot!(findings(&samples::findings(), &at(Some(80))), @"
        WHERE             FOUND                 ACTION    RESULT  DETAIL
        my-project/slot3  unfinished operation  complete  done    release by pid 99, begun
                                                                  4s ago, was killed
        my-project        leftover              remove    failed  cannot remove /home/me/.
                                                                  local/share/repo-pool/my
                                                                  -project/trash/x:
                                                                  Permission denied

        2 findings: 1 done, 1 failed
        ");
    }

    #[test]
    fn findings_in_a_pipe() {
        insta::assert_snapshot!(findings(&samples::findings(), &at(None)), @"
        WHERE             FOUND                 ACTION    RESULT  DETAIL
        my-project/slot3  unfinished operation  complete  done    release by pid 99, begun 4s ago, was killed
        my-project        leftover              remove    failed  cannot remove /home/me/.local/share/repo-pool/my-project/trash/x: Permission denied

        2 findings: 1 done, 1 failed
        ");
        assert_eq!(findings(&[], &at(None)), "");
    }

    #[test]
    fn what_was_made_ready_and_why_the_rest_was_not() {
        let slot = |number: u32, result, operations: &[&str], reason: Option<&str>| WarmedSlot {
            slot_id: format!("workspace-my-project-slot{number}"),
            result,
            operations: operations.iter().map(|text| (*text).to_owned()).collect(),
            duration_seconds: None,
            rescue: None,
            reason: reason.map(str::to_owned),
        };
        let inside = Some("pid 4711 (make) is inside");
        let pool = WarmedPool {
            slots: vec![
                slot(1, WarmResult::AlreadyWarm, &[], None),
                slot(2, WarmResult::Warmed, &["reset to a395bec6bc23"], None),
                slot(3, WarmResult::PassedOver, &[], inside),
            ],
            ..WarmedPool::default()
        };
        insta::assert_snapshot!(warmed(&[pool], &at(None)), @"
        SLOT              RESULT       DETAIL
        my-project/slot2  warmed       reset to a395bec6bc23
        my-project/slot3  passed over  pid 4711 (make) is inside
        ");
        assert_eq!(warmed(&[], &at(None)), "");
    }

    #[test]
    fn events_at_80_columns() {
        insta::assert_snapshot!(events(&samples::events(), samples::now(), &at(Some(80))), @r"
          AGE  WHERE             WHAT       DETAILS
        3h 3m  my-project/slot2  allocated  by agent-7; main@1a2b3c4d; 3.4 ms
           4m  my-project/slot2  cleaned    250 ms; reset, clean; failed: cannot remove
                                            target/x\x07: Permission denied
           4d  my-project        created    4 slots
        ");
    }

    #[test]
    fn events_in_a_pipe() {
        insta::assert_snapshot!(events(&samples::events(), samples::now(), &at(None)), @r"
        TIME                  WHERE             WHAT       DETAILS
        2026-07-01T08:56:40Z  my-project/slot2  allocated  by agent-7; main@1a2b3c4d; 3.4 ms
        2026-07-01T11:55:50Z  my-project/slot2  cleaned    250 ms; reset, clean; failed: cannot remove target/x\x07: Permission denied
        2026-06-26T20:53:20Z  my-project        created    4 slots
        ");
    }

    #[test]
    fn events_that_are_followed_stay_in_their_columns() {
        let events = samples::events();
        let mut following = Following::default();
        let mut lines = |events: &[Event]| following.lines(events, &at(Some(80)));
        let text = lines(&events[2..]) + &lines(&events[..2]) + &lines(&events[2..]);
        insta::assert_snapshot!(text, @r"
        2026-06-26T20:53:20Z  my-project  created  4 slots
        2026-07-01T08:56:40Z  my-project/slot2  allocated  by agent-7; main@1a2b3c4d; 3.4 ms
        2026-07-01T11:55:50Z  my-project/slot2  cleaned    250 ms; reset, clean; failed: cannot remove target/x\x07: Permission denied
        2026-06-26T20:53:20Z  my-project        created    4 slots
        ");
    }
}
