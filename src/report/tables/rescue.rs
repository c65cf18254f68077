//! Saved work: the list, and one piece of it.

use jiff::Timestamp;

use super::{determined, one_line, short_commit, short_id, size};
use crate::domain::outcome::{RescueDetails, RescueView};
use crate::report::escape::shell_word;
use crate::report::grid::{Column, Fit, Grid, Layout, Text};
use crate::report::human::{self, since};
use crate::report::tone::Tone;

/// Saved work, one a line.
pub fn rescues(rescues: &[RescueView], now: Timestamp, layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("ID"),
        Column::new("SLOT").fit(Fit::Shorten(20)),
        Column::new("SAVED").right(),
        Column::new("EXPIRES").right().rank(2),
        Column::new("OWNER").fit(Fit::Shorten(10)).rank(4),
        Column::new("SIZE").right().rank(3),
        Column::new("HOLDS").fit(Fit::Wrap(16)).rank(1),
        Column::new("SUBJECT").fit(Fit::Wrap(20)),
    ]);
    for rescue in rescues {
        grid.row([
            Text::new(&rescue.rescue_id).tone(Tone::Bold),
            Text::new(short_id(&rescue.slot_id)),
            Text::new(format!("{} ago", since(rescue.created_at, now))),
            Text::new(match rescue.expires_at {
                Some(until) => format!("in {}", since(now, until)),
                None => "never".to_owned(),
            }),
            Text::maybe(rescue.owner.as_ref()),
            Text::maybe(size(&rescue.size_bytes)),
            Text::new(holds(rescue)),
            Text::new(one_line(&rescue.subject)),
        ]);
    }
    grid.render(layout)
}

/// `2 commits, 1 left behind, 3 staged, 4 untracked`.
pub fn holds(rescue: &RescueView) -> String {
    let on_head = rescue.unlanded_commits - rescue.left_behind_commits;
    let mut parts = Vec::new();
    if on_head > 0 {
        parts.push(human::count(on_head, "commit"));
    }
    for (count, what) in [
        (rescue.left_behind_commits, "left behind"),
        (rescue.staged, "staged"),
        (rescue.unstaged, "unstaged"),
        (rescue.untracked, "untracked"),
        (rescue.conflicts, "with conflicts"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// A card of facts, the commits, the paths, and the command that shows all of it.
pub fn rescue(details: &RescueDetails, now: Timestamp, layout: &Layout) -> String {
    let rescue = &details.rescue;
    let mut grid = Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]);
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            grid.row([Text::new(key).tone(Tone::Dim), Text::new(value)]);
        }
    };
    let moment = |at: Timestamp| format!("{at:.0} ({} ago)", since(at, now));
    add("id", Some(rescue.rescue_id.clone()));
    add("slot", Some(short_id(&rescue.slot_id).into_owned()));
    add("saved", Some(moment(rescue.created_at)));
    add(
        "kept until",
        Some(match rescue.expires_at {
            Some(until) => format!("{until:.0} ({} left)", since(now, until)),
            None => "it is dropped".to_owned(),
        }),
    );
    add(
        "because of",
        rescue.reason.map(|reason| because(reason).to_owned()),
    );
    add("owner", rescue.owner.clone());
    add("allocation", rescue.allocation_id.clone());
    add("branch", rescue.branch.clone());
    add("head", rescue.head.clone());
    add("holds", Some(holds(rescue)));
    add(
        "size",
        determined(&rescue.size_bytes, |bytes| human::bytes(*bytes)),
    );
    add("subject", Some(one_line(&rescue.subject)));
    add("commit", Some(rescue.commit.clone()));
    let mut text = grid.render(layout);
    for part in [commits(details, layout), paths(details, layout)] {
        if !part.is_empty() {
            text.push('\n');
            text.push_str(&part);
        }
    }
    let words: Vec<_> = details
        .diff_command
        .iter()
        .map(|word| shell_word(word))
        .collect();
    let command = Text::new(words.join(" "));
    let mut last = Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]);
    last.row([Text::new("all of it").tone(Tone::Dim), command]);
    text.push('\n');
    text.push_str(&last.render(layout));
    text
}

fn because(reason: crate::domain::rescue::Reason) -> &'static str {
    use crate::domain::rescue::Reason;
    match reason {
        Reason::Release => "a release",
        Reason::Reclaim => "its holder being gone",
        Reason::Removal => "the slot's removal",
        Reason::Repair => "a repair of the slot",
        Reason::Found => "being found in an idle slot",
    }
}

fn commits(details: &RescueDetails, layout: &Layout) -> String {
    let mut grid = Grid::bare(["", ""].map(|title| Column::new(title).fit(Fit::Wrap(8))));
    for commit in &details.commits {
        let behind = if commit.left_behind {
            " (left behind)"
        } else {
            ""
        };
        grid.row([
            Text::new(short_commit(&commit.commit)),
            Text::new(format!("{}{behind}", one_line(&commit.subject))),
        ]);
    }
    grid.render(layout)
}

fn paths(details: &RescueDetails, layout: &Layout) -> String {
    let mut grid = Grid::bare([Column::new(""), Column::new("").fit(Fit::Wrap(20))]);
    for path in &details.paths {
        // What would look like nothing at the beginning of a line is shown.
        grid.row([
            Text::new(path.status.replace(' ', ".")),
            Text::new(&path.path),
        ]);
    }
    grid.render(layout)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, at};
    use super::*;

    #[test]
    fn saved_work_in_a_pipe() {
        let list = [samples::rescue().rescue];
        insta::assert_snapshot!(rescues(&list, samples::now(), &at(None)), @"
        ID              SLOT                  SAVED  EXPIRES  OWNER                   SIZE  HOLDS                                            SUBJECT
        slot2-8045931a  my-project/slot2  3h 3m ago   in 81d  agent-7 (pid 4711)  47.1 KiB  2 commits, 1 left behind, 1 staged, 1 untracked  Fix the login
        ");
        assert_eq!(rescues(&[], samples::now(), &at(None)), "");
    }

    #[test]
    fn saved_work_at_80_columns() {
        let list = [samples::rescue().rescue];
        insta::assert_snapshot!(rescues(&list, samples::now(), &at(Some(80))), @"
        ID              SLOT                  SAVED  HOLDS                 SUBJECT
        slot2-8045931a  my-project/slot2  3h 3m ago  2 commits, 1 left     Fix the login
                                                     behind, 1 staged, 1
                                                     untracked
        ");
    }

    #[test]
    fn one_piece_of_saved_work() {
        insta::assert_snapshot!(rescue(&samples::rescue(), samples::now(), &at(Some(80))), @r"
        id          slot2-8045931a
        slot        my-project/slot2
        saved       2026-07-01T08:56:40Z (3h 3m ago)
        kept until  2026-09-20T12:26:40Z (81d left)
        because of  a release
        owner       agent-7 (pid 4711)
        allocation  0123456789abcdef0123456789abcdef
        branch      fix-\x1b[31mlogin
        head        1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
        holds       2 commits, 1 left behind, 1 staged, 1 untracked
        size        47.1 KiB
        subject     Fix the login
        commit      9999999999999999999999999999999999999999

        1a2b3c4d  Fix the login (left behind)

        M.  src/login.rs
        ??  notes\x07.txt

        all of it  git -C '/pools/my project/repo.git' diff
                   1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d
        ");
    }
}
