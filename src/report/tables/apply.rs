//! What `apply` does, line by line: `+` what comes, `-` what goes, `~` what changes, `!` what is left
//! although it should go or could, `=` what is as it should be.

use super::short_id;
use crate::domain::apply::Step;
use crate::domain::outcome::StepView;
use crate::report::grid::{Column, Fit, Grid, Layout, Text};
use crate::report::human::count;
use crate::report::tone::Tone;

/// One line a step; those that are as they should be only with `all`.
pub fn steps(steps: &[StepView], all: bool, layout: &Layout) -> String {
    let mut grid = Grid::bare([Column::new("WHAT"), Column::new("HOW").fit(Fit::Wrap(24))]);
    for view in steps {
        let (sign, detail) = line(&view.step);
        if sign == '=' && !all {
            continue;
        }
        let what = match &view.slot_id {
            Some(slot) => format!("{sign} slot {}", short_id(slot)),
            None => format!("{sign} pool {}", view.repo_name),
        };
        grid.row([Text::new(what).tone(tone(sign)), Text::new(detail)]);
    }
    grid.render(layout)
}

fn tone(sign: char) -> Tone {
    match sign {
        '+' => Tone::Green,
        '-' => Tone::Red,
        '~' => Tone::Cyan,
        '=' => Tone::Dim,
        _ => Tone::Yellow,
    }
}

fn line(step: &Step) -> (char, String) {
    let slots = |n: u32| count(n.into(), "slot");
    match step {
        Step::CreatePool {
            repo_url,
            num_slots,
        } => ('+', format!("{repo_url}  {}", slots(*num_slots))),
        Step::AdoptPool => ('~', "declared from now on".into()),
        Step::ChangeBase { from, to } => {
            let from = from.as_deref().unwrap_or("unknown");
            ('~', format!("base {from} -> {to}"))
        }
        Step::AddSlots { from, to } => ('~', format!("slots {from} -> {to}")),
        Step::RemoveSlot { .. } => ('-', String::new()),
        Step::RemovePool { num_slots } => ('-', format!("{}, declared no more", slots(*num_slots))),
        Step::KeepSlot { reason, .. } | Step::KeepPool { reason } => {
            ('!', format!("left: {reason}"))
        }
        Step::SpareSlots {
            num_slots,
            declared,
        } => (
            '!',
            format!(
                "{}, {declared} declared; --prune removes the others",
                slots(*num_slots)
            ),
        ),
        Step::SparePool => ('!', "declared no more; --prune removes it".into()),
        Step::Unusable { reason } => ('!', reason.clone()),
        Step::Unchanged { num_slots } => ('=', slots(*num_slots)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::at;
    use super::*;
    use crate::domain::PoolName;
    use crate::domain::apply::Planned;

    fn sample() -> Vec<StepView> {
        let step = |name: &str, step| {
            let name = PoolName::new(name).unwrap();
            StepView::planned(&Planned { name, step })
        };
        let reason = "is allocated to agent-7".to_owned();
        vec![
            step(
                "web",
                Step::CreatePool {
                    repo_url: "https://example.com/web.git".into(),
                    num_slots: 3,
                },
            ),
            step("api", Step::AddSlots { from: 2, to: 4 }),
            step(
                "api",
                Step::ChangeBase {
                    from: Some("main".into()),
                    to: "dev\u{1b}[31m".into(),
                },
            ),
            step("tools", Step::AdoptPool),
            step("tools", Step::RemoveSlot { number: 4, to: 2 }),
            step("tools", Step::KeepSlot { number: 3, reason }),
            step("old", Step::RemovePool { num_slots: 1 }),
            step("older", Step::SparePool),
            step(
                "big",
                Step::SpareSlots {
                    num_slots: 5,
                    declared: 3,
                },
            ),
            step("same", Step::Unchanged { num_slots: 2 }),
        ]
    }

    #[test]
    fn the_steps_read_as_a_diff() {
        insta::assert_snapshot!(steps(&sample(), true, &at(None)), @r"
        + pool web          https://example.com/web.git  3 slots
        ~ pool api          slots 2 -> 4
        ~ pool api          base main -> dev\x1b[31m
        ~ pool tools        declared from now on
        - slot tools/slot4
        ! slot tools/slot3  left: is allocated to agent-7
        - pool old          1 slot, declared no more
        ! pool older        declared no more; --prune removes it
        ! pool big          5 slots, 3 declared; --prune removes the others
        = pool same         2 slots
        ");
        let fewer = steps(&sample(), false, &at(None));
        assert!(!fewer.contains("same"), "{fewer}");
        assert_eq!(steps(&[], true, &at(None)), "");
    }
}
