//! The list of pools, and one pool with its slots.

use jiff::Timestamp;

use super::{
    determined, holder_or_caller, is_narrow, one_line, safe, short_commit, short_id, size, state,
};
use crate::domain::gist;
use crate::domain::outcome::{
    OperationView, PoolSummary, PoolView, SlotView, Summary, WaitingView,
};
use crate::domain::slot::SlotState;
use crate::report::grid::{Column, Fit, Grid, Layout, Text};
use crate::report::human::{self, since};
use crate::report::tone::{Tone, painted};

/// All pools with their counts.
pub fn pools(pools: &[PoolSummary], now: Timestamp, layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("POOL").fit(Fit::Shorten(18)),
        Column::new("SLOTS").right(),
        Column::new("AVAILABLE").right(),
        Column::new("ALLOCATED").right(),
        Column::new("CLEANING").right().rank(4),
        Column::new("ERROR").right(),
        Column::new("USES").right().rank(5),
        Column::new("AVERAGE").right().rank(6),
        Column::new("HITS").right().rank(7),
        Column::new("DISK").right().rank(2),
        Column::new("URL").fit(Fit::Shorten(24)).rank(3),
        Column::new("NOTE").fit(Fit::Wrap(24)),
    ]);
    for pool in pools {
        let counts = &pool.summary;
        let note = match (&pool.error, &pool.operation) {
            (Some(error), _) => Some(one_line(error)),
            (None, operation) => operation.as_ref().map(|op| under_way(op, now)),
        };
        grid.row([
            Text::new(&pool.repo_name),
            Text::new(counts.total_slots.to_string()),
            counted(counts.available_slots, Tone::Green),
            counted(counts.allocated_slots, Tone::Yellow),
            counted(counts.cleaning_slots, Tone::Cyan),
            counted(counts.error_slots, Tone::Red),
            Text::new(counts.total_allocations.to_string()),
            Text::maybe(counts.average_allocation_time_seconds.map(human::seconds)),
            Text::maybe(counts.cache_hit_rate.map(percent)),
            Text::maybe(size(&pool.disk_usage_bytes)),
            Text::new(&pool.repo_url),
            Text::maybe(note),
        ]);
    }
    grid.render(layout)
}

/// A pool's facts in a few lines, then its slots.
pub fn pool(pool: &PoolView, now: Timestamp, layout: &Layout) -> String {
    let name = painted(&safe(&pool.repo_name), Tone::Bold, layout.color);
    let mut lines = vec![format!("{name}  {}", safe(&pool.repo_url))];
    lines.extend(facts(pool, now));
    lines.push(counts(&pool.summary));
    lines.extend(pool.waiting.as_ref().map(|line| waiting(line, now)));
    if pool.summary.total_allocations > 0 || pool.summary.failed_allocations > 0 {
        lines.push(statistics(&pool.summary));
    }
    let mut text = lines.join("\n") + "\n";
    if !pool.slots.is_empty() {
        text.push('\n');
        text.push_str(&slots(&pool.slots, now, layout));
    }
    text
}

/// `base main@1a2b3c4d, fetched 4m ago`.
fn facts(pool: &PoolView, now: Timestamp) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(branch) = &pool.base_branch {
        let commit = pool.base_commit.as_deref().map(short_commit);
        let at = commit
            .map(|commit| format!("@{commit}"))
            .unwrap_or_default();
        parts.push(format!("base {}{}", safe(branch), safe(&at)));
    }
    if let Some(fetched) = pool.fetched_at {
        parts.push(format!("fetched {} ago", since(fetched, now)));
    }
    if let Some(bytes) = size(&pool.disk_usage_bytes) {
        let repository = size(&pool.repository_bytes).map(|bytes| format!(" (repository {bytes})"));
        parts.push(format!("disk {bytes}{}", repository.unwrap_or_default()));
    }
    if !pool.keep.is_empty() {
        parts.push(format!("keeps {}", safe(&pool.keep.join(", "))));
    }
    if pool.is_locked == Some(Some(true)) {
        parts.push("locked".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `3 slots: 2 available, 1 allocated`.
fn counts(counts: &Summary) -> String {
    let by_state: Vec<_> = [
        (counts.available_slots, SlotState::Available),
        (counts.allocated_slots, SlotState::Allocated),
        (counts.cleaning_slots, SlotState::Cleaning),
        (counts.error_slots, SlotState::Error),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, state)| format!("{count} {state}"))
    .collect();
    let all = human::count(counts.total_slots, "slot");
    if by_state.is_empty() {
        return all;
    }
    format!("{all}: {}", by_state.join(", "))
}

/// `2 wait for a slot, the first for 4m`.
fn waiting(line: &WaitingView, now: Timestamp) -> String {
    let first = since(line.since, now);
    match line.count {
        1 => format!("1 waits for a slot, for {first}"),
        more => format!("{more} wait for a slot, the first for {first}"),
    }
}

/// `12 allocations, 3.4 ms on average (p95 8.0 ms), 92% hits, 1 failed`.
fn statistics(counts: &Summary) -> String {
    let mut parts = vec![human::count(counts.total_allocations, "allocation")];
    if let Some(average) = counts.average_allocation_time_seconds {
        let p95 = counts.p95_allocation_time_seconds;
        let p95 = p95.map(|p95| format!(" (p95 {})", human::seconds(p95)));
        parts.push(format!(
            "{} on average{}",
            human::seconds(average),
            p95.unwrap_or_default()
        ));
    }
    if let Some(rate) = counts.cache_hit_rate {
        parts.push(format!("{} hits", percent(rate)));
    }
    if counts.failed_allocations > 0 {
        parts.push(format!("{} failed", counts.failed_allocations));
    }
    parts.join(", ")
}

fn slots(slots: &[SlotView], now: Timestamp, layout: &Layout) -> String {
    // There may be no room for a column of sentences.
    let beside = !is_narrow(layout);
    let mut grid = Grid::new([
        Column::new("SLOT").fit(Fit::Shorten(24)),
        Column::new("STATE"),
        Column::new("HOLDER").fit(Fit::Shorten(20)).rank(1),
        Column::new("SINCE").right().rank(3),
        Column::new("BRANCH").fit(Fit::Shorten(14)).rank(4),
        Column::new("COMMIT").rank(5),
        Column::new("USES").right().rank(7),
        Column::new("LAST USED").right().rank(6),
        Column::new("DISK").right().rank(2),
        Column::new("NOTE").fit(Fit::Wrap(24)),
    ]);
    for slot in slots {
        let last_used = slot.last_released_at.max(slot.last_allocated_at);
        let commit = determined(&slot.current_commit, |commit| {
            short_commit(commit).to_owned()
        });
        grid.row([
            Text::new(short_id(&slot.slot_id)),
            state(slot.state),
            Text::maybe(slot.owner.as_ref().map(holder_or_caller)),
            Text::maybe(slot.allocated_at.map(|at| since(at, now))),
            Text::maybe(determined(&slot.current_branch, |name| {
                branch(name, slot, beside)
            })),
            Text::maybe(commit),
            Text::new(slot.allocation_count.to_string()),
            Text::maybe(last_used.map(|at| since(at, now))),
            Text::maybe(size(&slot.disk_usage_bytes)),
            Text::maybe(note(slot, now).filter(|_| beside)),
        ]);
    }
    let mut text = grid.render(layout);
    if !beside {
        text.push_str(&notes(slots, now, layout));
    }
    text
}

/// A slot's branch; where there is little room, its own is only called that.
fn branch(name: &str, slot: &SlotView, in_full: bool) -> String {
    let own = || format!("worktree/{}", short_id(&slot.slot_id));
    match in_full || name != own() {
        true => name.to_owned(),
        false => "own".to_owned(),
    }
}

/// What is special about which slot, after an empty line; nothing if nothing is.
fn notes(slots: &[SlotView], now: Timestamp, layout: &Layout) -> String {
    let mut grid = Grid::bare([
        Column::new("").fit(Fit::Shorten(24)),
        Column::new("").fit(Fit::Wrap(24)),
    ]);
    for slot in slots {
        if let Some(note) = note(slot, now) {
            grid.row([Text::new(short_id(&slot.slot_id)), Text::new(note)]);
        }
    }
    let text = grid.render(layout);
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}

/// What is special about a slot.
fn note(slot: &SlotView, now: Timestamp) -> Option<String> {
    if let Some(error) = &slot.error {
        return Some(gist(error));
    }
    if let Some(operation) = &slot.operation {
        let abandoned = slot.is_locked == Some(Some(false));
        let left = if abandoned {
            ", nobody works on it"
        } else {
            ""
        };
        return Some(under_way(operation, now) + left);
    }
    if let Some(reclaim) = &slot.reclaim {
        return Some(reclaim.reason.clone());
    }
    (slot.state == SlotState::Available && !slot.verified)
        .then(|| "is checked before use".to_owned())
}

/// `release for 4s (pid 4711)`.
pub(super) fn under_way(operation: &OperationView, now: Timestamp) -> String {
    let pid = operation.pid.map(|pid| format!(" (pid {pid})"));
    format!(
        "{} for {}{}",
        operation.kind,
        since(operation.started_at, now),
        pid.unwrap_or_default()
    )
}

/// A count in its colour; none is plain.
fn counted(count: u64, tone: Tone) -> Text {
    let text = Text::new(count.to_string());
    if count > 0 { text.tone(tone) } else { text }
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, at};
    use super::*;

    #[test]
    fn pools_at_80_columns() {
        insta::assert_snapshot!(pools(&samples::pools(), samples::now(), &at(Some(80))), @"
        POOL        SLOTS  AVAILABLE  ALLOCATED  ERROR  NOTE
        my-project      4          1          1      1  -
        broken          0          0          0      0  pool.json can't be read:
                                                        expected value at line 1 column
                                                        1
        ");
    }

    #[test]
    fn pools_at_200_columns() {
        insta::assert_snapshot!(pools(&samples::pools(), samples::now(), &at(Some(200))), @"
        POOL        SLOTS  AVAILABLE  ALLOCATED  CLEANING  ERROR  USES  AVERAGE  HITS  URL                                      NOTE
        my-project      4          1          1         1      1    12   3.4 ms   92%  https://example.com/team/my-project.git  -
        broken          0          0          0         0      0     0        -     -  https://example.com/broken.git           pool.json can't be read: expected value at line 1 column 1
        ");
    }

    #[test]
    fn pools_in_a_pipe() {
        insta::assert_snapshot!(pools(&samples::pools(), samples::now(), &at(None)), @"
        POOL        SLOTS  AVAILABLE  ALLOCATED  CLEANING  ERROR  USES  AVERAGE  HITS  DISK  URL                                      NOTE
        my-project      4          1          1         1      1    12   3.4 ms   92%     -  https://example.com/team/my-project.git  -
        broken          0          0          0         0      0     0        -     -     -  https://example.com/broken.git           pool.json can't be read: expected value at line 1 column 1
        ");
    }

    #[test]
    fn a_pool_at_80_columns() {
        insta::assert_snapshot!(pool(&samples::pool(), samples::now(), &at(Some(80))), @"
        my-project  https://example.com/team/my-project.git
        base main@1a2b3c4d, fetched 4m ago
        4 slots: 1 available, 1 allocated, 1 cleaning, 1 error
        2 wait for a slot, the first for 1m
        12 allocations, 3.4 ms on average (p95 8.0 ms), 92% hits, 1 failed

        SLOT              STATE      HOLDER             SINCE  BRANCH  COMMIT       DISK
        my-project/slot1  available  -                      -  -       1a2b3c4d        -
        my-project/slot2  allocated  agent-7, pid 4711  3h 3m  own     1a2b3c4d  1.2 GiB
        my-project/slot3  cleaning   -                      -  -       1a2b3c4d        -
        my-project/slot4  error      -                      -  -       ?               -

        my-project/slot3  release for 4s (pid 99), nobody works on it
        my-project/slot4  HEAD is damaged: fatal: bad object HEAD
        ");
    }

    #[test]
    fn a_pool_at_200_columns() {
        insta::assert_snapshot!(pool(&samples::pool(), samples::now(), &at(Some(200))), @"
        my-project  https://example.com/team/my-project.git
        base main@1a2b3c4d, fetched 4m ago
        4 slots: 1 available, 1 allocated, 1 cleaning, 1 error
        2 wait for a slot, the first for 1m
        12 allocations, 3.4 ms on average (p95 8.0 ms), 92% hits, 1 failed

        SLOT              STATE      HOLDER             SINCE  BRANCH                     COMMIT    USES  LAST USED     DISK  NOTE
        my-project/slot1  available  -                      -  -                          1a2b3c4d     3      2h 5m        -  -
        my-project/slot2  allocated  agent-7, pid 4711  3h 3m  worktree/my-project/slot2  1a2b3c4d     3      3h 3m  1.2 GiB  -
        my-project/slot3  cleaning   -                      -  -                          1a2b3c4d     3          -        -  release for 4s (pid 99), nobody works on it
        my-project/slot4  error      -                      -  -                          ?            3          -        -  HEAD is damaged: fatal: bad object HEAD
        ");
    }

    #[test]
    fn a_pool_in_a_pipe() {
        insta::assert_snapshot!(pool(&samples::pool(), samples::now(), &at(None)), @"
        my-project  https://example.com/team/my-project.git
        base main@1a2b3c4d, fetched 4m ago
        4 slots: 1 available, 1 allocated, 1 cleaning, 1 error
        2 wait for a slot, the first for 1m
        12 allocations, 3.4 ms on average (p95 8.0 ms), 92% hits, 1 failed

        SLOT              STATE      HOLDER             SINCE  BRANCH                     COMMIT    USES  LAST USED     DISK  NOTE
        my-project/slot1  available  -                      -  -                          1a2b3c4d     3      2h 5m        -  -
        my-project/slot2  allocated  agent-7, pid 4711  3h 3m  worktree/my-project/slot2  1a2b3c4d     3      3h 3m  1.2 GiB  -
        my-project/slot3  cleaning   -                      -  -                          1a2b3c4d     3          -        -  release for 4s (pid 99), nobody works on it
        my-project/slot4  error      -                      -  -                          ?            3          -        -  HEAD is damaged: fatal: bad object HEAD
        ");
    }

    #[test]
    fn states_are_coloured_without_moving_a_column() {
        let colored = Layout {
            width: Some(120),
            color: true,
        };
        let text = pool(&samples::pool(), samples::now(), &colored);
        assert!(text.contains("\x1b[32mavailable\x1b[0m "), "{text}");
        assert!(text.contains("\x1b[33mallocated\x1b[0m "));
        assert!(text.contains("\x1b[36mcleaning\x1b[0m  "));
        assert!(text.contains("\x1b[31merror\x1b[0m     "));
        let mut plain = text;
        for code in ["0", "1", "31", "32", "33", "36"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(
            plain,
            pool(&samples::pool(), samples::now(), &at(Some(120)))
        );
    }
}
