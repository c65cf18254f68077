//! The table: each line as soon as it is measured, and what came of the goals at the end.

use super::options::{Options, Size};
use super::sample::Samples;

/// What a line is to reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// At most so many times what it is compared with.
    Ratio(f64),
    /// At most so many milliseconds more than what it is compared with.
    Above(f64),
    /// What it is compared with is at least so many times as much.
    Faster(f64),
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
    /// None: it is printed to be seen.
    None,
}

/// A measured line.
pub struct Line {
    size: Option<Size>,
    name: String,
    ours: Samples,
    other: Option<(String, Samples)>,
    goal: Goal,
}

impl Line {
    /// A line without a size, a comparison and a goal.
    pub fn new(name: impl Into<String>, ours: Samples) -> Self {
        Self {
            size: None,
            name: name.into(),
            ours,
            other: None,
            goal: Goal::None,
        }
    }

    /// It was measured with a repository of this size.
    pub fn of(mut self, size: Size) -> Self {
        self.size = Some(size);
        self
    }

    /// It is compared with this.
    pub fn against(mut self, label: impl Into<String>, other: Samples) -> Self {
        self.other = Some((label.into(), other));
        self
    }

    /// It has this goal.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }

    fn ratio(&self) -> Option<f64> {
        let (_, other) = self.other.as_ref()?;
        Some(self.ours.median() / other.median())
    }

    fn met(&self) -> Option<bool> {
        let ours = self.ours.median();
        let other = self.other.as_ref().map(|(_, other)| other.median());
        match self.goal {
            Goal::Ratio(most) => Some(self.ratio()? <= most),
            Goal::Above(most) => Some(ours - other? <= most),
            Goal::Faster(least) => Some(other? / ours >= least),
            Goal::Most(most) => Some(ours <= most),
            Goal::Least(least) => Some(ours >= least),
            Goal::None => None,
        }
    }

    fn goal_in_words(&self) -> String {
        match self.goal {
            Goal::Ratio(most) => format!("≤ {most} ×"),
            Goal::Above(most) => format!("≤ + {most} ms"),
            Goal::Faster(least) => format!("≤ 1/{least} ×"),
            Goal::Most(most) => format!("≤ {}", self.ours.shown_bound(most)),
            Goal::Least(least) => format!("≥ {}", self.ours.shown_bound(least)),
            Goal::None => String::new(),
        }
    }
}

/// All lines so far.
pub struct Report<'a> {
    options: &'a Options,
    lines: Vec<Line>,
    missing: usize,
}

impl<'a> Report<'a> {
    /// An empty table, whose head is printed.
    pub fn start(options: &'a Options) -> Self {
        row([
            "",
            "",
            "median",
            "middle half",
            "n",
            "compared with",
            "median",
            "ratio",
            "goal",
            "",
        ]);
        Self {
            options,
            lines: Vec::new(),
            missing: 0,
        }
    }

    /// Prints and keeps a line.
    pub fn add(&mut self, line: Line) {
        if !self.options.wants(&[&line.name]) {
            return;
        }
        let (label, other) = match &line.other {
            Some((label, other)) => (label.clone(), other.shown()),
            None => Default::default(),
        };
        let ratio = line.ratio().map(|ratio| match ratio {
            r if r < 0.1 => format!("{r:.4}"),
            r => format!("{r:.2}"),
        });
        let verdict = match line.met() {
            _ if self.options.short => "",
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        row([
            line.size.map(Size::name).unwrap_or_default(),
            &line.name,
            &line.ours.shown(),
            &line.ours.spread(),
            &line.ours.count().to_string(),
            &label,
            &other,
            &ratio.unwrap_or_default(),
            &line.goal_in_words(),
            verdict,
        ]);
        self.lines.push(line);
    }

    /// A line that can't be measured, with the reason.
    pub fn not_there(&mut self, size: Option<Size>, name: &str, why: &str) {
        if self.options.wants(&[name]) {
            let size = size.map(Size::name).unwrap_or_default();
            row([size, name, "–", "", "", why, "", "", "", ""]);
            self.missing += 1;
        }
    }

    /// How a line grew from the first size to the last, as a line of its own.
    pub fn growth(&mut self, name: &str, goal: Goal) {
        let mut found: Vec<(Size, Samples)> = self
            .lines
            .iter()
            .filter(|line| line.name == name)
            .filter_map(|line| Some((line.size?, line.ours.clone())))
            .collect();
        found.sort_by_key(|(size, _)| *size);
        if let [(first, least), .., (last, most)] = &found[..] {
            let line = Line::new(name, most.clone()).of(*last);
            let label = format!("the same, {}", first.name());
            self.add(line.against(label, least.clone()).goal(goal));
        }
    }

    /// What came of the goals.
    pub fn end(&self) {
        if self.options.short {
            println!("\nall slots were as promised; the short form says nothing about goals");
            return;
        }
        let count = |wanted: bool| {
            self.lines
                .iter()
                .filter(|l| l.met() == Some(wanted))
                .count()
        };
        println!(
            "\n{} goals met, {} missed, {} lines not there yet",
            count(true),
            count(false),
            self.missing
        );
        for line in self.lines.iter().filter(|line| line.met() == Some(false)) {
            let size = line.size.map(|size| format!("{} ", size.name()));
            println!("  missed: {}{}", size.unwrap_or_default(), line.name);
        }
    }
}

fn row(cells: [&str; 10]) {
    let [
        size,
        name,
        ours,
        spread,
        n,
        label,
        other,
        ratio,
        goal,
        verdict,
    ] = cells;
    let line = format!(
        "{size:<7}{name:<44}{ours:>10}  {spread:<12}{n:>3}  {label:<38}{other:>10}{ratio:>8}  {goal:<11}{verdict}"
    );
    println!("{}", line.trim_end());
}
