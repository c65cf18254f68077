//! What a run would do.

use crate::domain::outcome::PlanView;
use crate::report::grid::{Column, Fit, Grid, Layout, Text};

/// The tasks in the order in which they would start, and those that never would.
pub fn plan(plan: &PlanView, layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("ROUND").right(),
        Column::new("TASK").fit(Fit::Shorten(12)),
        Column::new("AGENT POOL").fit(Fit::Shorten(10)),
        Column::new("TITLE").fit(Fit::Shorten(16)).rank(1),
        Column::new("NOTE").fit(Fit::Wrap(20)),
    ]);
    for step in &plan.steps {
        grid.row([
            Text::new(step.round.to_string()),
            Text::new(&step.task),
            Text::new(&step.agent_pool),
            Text::new(&step.title),
            Text::new(""),
        ]);
    }
    for left in &plan.left {
        grid.row([
            Text::new("-"),
            Text::new(&left.task),
            Text::new("-"),
            Text::new(""),
            Text::new(format!("never starts: {}", left.reasons.join("; "))),
        ]);
    }
    grid.render(layout)
}
