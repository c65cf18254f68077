//! A run while it goes on, on stderr: a table that is redrawn below what is said, or a line an event.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::board::Board;
use super::grid::{Column, Fit, Grid, Layout, Text};
use super::human::since;
use super::output::Output;
use super::stream;
use super::tables::{self, EventLines, Weight, weight};
use crate::domain::dispatch::event::AttemptId;
use crate::domain::dispatch::{Event, Record, RunState, view};
use crate::domain::outcome::TaskCounts;
use crate::sys::clock;

/// The table is drawn at most so often, and at least so often.
const BREATH: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_secs(1);

/// So many running tasks have a line of their own.
const ROWS: usize = 12;

/// What is shown of a run while it goes on.
pub struct Live<'o> {
    output: &'o Output,
    lines: Mutex<EventLines>,
    least: Weight,
    table: Option<Table>,
}

/// The table and who draws it.
struct Table {
    shared: Arc<Shared>,
    drawer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    now: Mutex<Now>,
    changed: Condvar,
}

/// How the run stands.
#[derive(Default)]
struct Now {
    counts: TaskCounts,
    began: Option<Timestamp>,
    draining: bool,
    /// By the fencing token: in the order of their assignment.
    running: BTreeMap<u64, Row>,
    stale: bool,
    over: bool,
}

/// A task that runs.
struct Row {
    task: String,
    attempt: u32,
    agent_pool: String,
    slot: String,
    since: Timestamp,
}

impl<'o> Live<'o> {
    /// With a table where stderr is a terminal. Events that go by themselves are only told where there
    /// is none, or with `-v`.
    pub fn new(output: &'o Output) -> Self {
        let board = output.progress().board();
        let table = board.map(|board| Table::begin(board, output.colors_stderr()));
        let least = match (table.is_some(), output.is_verbose(1), output.is_verbose(2)) {
            (_, _, true) | (false, true, _) => Weight::Detail,
            (false, ..) | (true, true, _) => Weight::Step,
            (true, ..) => Weight::Trouble,
        };
        Self {
            output,
            lines: Mutex::default(),
            least,
            table,
        }
    }

    /// Tells of an event, which `state` knows already.
    pub fn event(&self, record: &Record, state: &RunState) {
        if weight(&record.event) >= self.least {
            let mut lines = locked(&self.lines);
            self.output
                .note_text(|layout| lines.lines([record], layout));
        }
        if let Some(table) = &self.table {
            locked(&table.shared.now).learn(record, state);
            table.shared.changed.notify_all();
        }
    }
}

impl Live<'_> {
    /// Takes the table away.
    pub fn over(&self) {
        if let Some(table) = &self.table {
            table.end();
        }
    }
}

impl Table {
    fn begin(board: Board, color: bool) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let draw = move || theirs.draw(&board, color);
        // Without a thread nothing is drawn, and the run goes on.
        let drawer = Mutex::new(std::thread::Builder::new().spawn(draw).ok());
        Self { shared, drawer }
    }

    fn end(&self) {
        locked(&self.shared.now).over = true;
        self.shared.changed.notify_all();
        if let Some(drawer) = locked(&self.drawer).take() {
            // What it could say is of no use any more.
            let _ = drawer.join();
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Draws what has changed, and the ages every second, until it is over.
    fn draw(&self, board: &Board, color: bool) {
        let mut now = locked(&self.now);
        while !now.over {
            now.stale = false;
            let layout = Layout {
                width: stream::columns_of_stderr(),
                color,
            };
            let text = now.text(clock::now(), &layout);
            drop(now);
            board.show(text);
            now = self.wait(locked(&self.now), BREATH, |now| now.over);
            now = self.wait(now, TICK - BREATH, |now| now.over || now.stale);
        }
    }

    fn wait<'a>(
        &'a self,
        now: MutexGuard<'a, Now>,
        limit: Duration,
        enough: impl Fn(&Now) -> bool,
    ) -> MutexGuard<'a, Now> {
        let waited = self
            .changed
            .wait_timeout_while(now, limit, |now| !enough(now));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Now {
    fn learn(&mut self, record: &Record, state: &RunState) {
        self.stale = true;
        self.counts = view::counts(state);
        self.began = state.run().started;
        self.draining = state.run().draining.is_some();
        match &record.event {
            Event::TaskAssigned { attempt, .. } | Event::RunnerAdopted { attempt } => {
                self.row(attempt, state);
            }
            Event::SlotAllocated { attempt, .. } | Event::RunnerStarted { attempt, .. } => {
                self.row(attempt, state);
            }
            Event::SlotUnavailable { attempt, .. }
            | Event::RunnerCompleted { attempt, .. }
            | Event::RunnerFailed { attempt, .. }
            | Event::RunnerLost { attempt, .. } => {
                self.running.remove(&attempt.token);
            }
            Event::NeedsAttention {
                task: Some(task), ..
            } => self.running.retain(|_, row| row.task != *task),
            _ => {}
        }
    }

    fn row(&mut self, attempt: &AttemptId, state: &RunState) {
        let task = state.index(&attempt.task);
        let open = task.and_then(|task| state.progress(task).open.as_ref());
        let Some(open) = open.filter(|open| open.id == *attempt) else {
            return;
        };
        let slot = open.slot.as_ref();
        let row = Row {
            task: attempt.task.clone(),
            attempt: attempt.attempt,
            agent_pool: open.agent_pool.clone(),
            slot: slot.map_or_else(String::new, |slot| {
                format!("{}/slot{}", slot.pool, slot.number)
            }),
            since: open.started.unwrap_or(open.assigned),
        };
        self.running.insert(attempt.token, row);
    }

    fn text(&self, now: Timestamp, layout: &Layout) -> String {
        let Some(began) = self.began else {
            return String::new();
        };
        let progress = tables::progress(&self.counts, layout);
        let ends = if self.draining { ", draining" } else { "" };
        let mut text = format!("{progress}, {}{ends}\n", since(began, now));
        let mut grid = Grid::bare([
            Column::new("").fit(Fit::Shorten(12)),
            Column::new("").right(),
            Column::new("").rank(3),
            Column::new("").fit(Fit::Shorten(10)).rank(2),
            Column::new("").fit(Fit::Shorten(14)).rank(1),
        ]);
        for row in self.running.values().take(ROWS) {
            grid.row([
                Text::new(format!("  {}", row.task)),
                Text::new(since(row.since, now)),
                Text::new(format!("attempt {}", row.attempt)),
                Text::new(&row.agent_pool),
                Text::new(&row.slot),
            ]);
        }
        text.push_str(&grid.render(layout));
        if let Some(more) = self.running.len().checked_sub(ROWS).filter(|n| *n > 0) {
            text.push_str(&format!("  … {more} more\n"));
        }
        text
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
