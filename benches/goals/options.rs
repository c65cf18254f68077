//! What is to be measured.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Measures repo-pool beside git's own commands, and holds both against the goals.
///
/// Every comparison is made by runs that alternate within the same minute, so that whatever else
/// the machine does hits both. Quote ratios, not absolute times.
#[derive(Parser, Debug)]
#[command(name = "goals")]
pub struct Options {
    /// The sizes of repositories to measure with.
    #[arg(long, value_delimiter = ',', default_value = "small,medium,large")]
    pub sizes: Vec<Size>,
    /// How often each command is run [default: as the size allows].
    #[arg(long)]
    pub runs: Option<usize>,
    /// Only the lines whose name contains this.
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<String>,
    /// A real repository instead of the made-up MEDIUM one.
    #[arg(long, value_name = "URL|PATH")]
    pub repo: Option<String>,
    /// Work in this directory, and leave the repositories there for the next run.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// How many commits the made-up MEDIUM repository has.
    #[arg(long, default_value_t = 20_000)]
    pub commits: u32,
    /// How large the tree of the LARGE repository is, in MB.
    #[arg(long, default_value_t = 950)]
    pub megabytes: u64,
    /// How many ignored files a dirty slot has.
    #[arg(long, default_value_t = 20_000)]
    pub ignored: u32,
    /// How many slots the lines about creating make of a repository that leaves room for them.
    #[arg(long, default_value_t = 32)]
    pub slots: u32,
    /// Every line once or twice on small sizes: sees that what is measured is right, not how long
    /// it takes.
    #[arg(long)]
    pub short: bool,
    /// The program to measure instead of the one just built.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_repo-pool"))]
    pub binary: PathBuf,
    /// Tells what so many tasks need: for a process of its own.
    #[arg(long, hide = true)]
    pub dispatch_memory: Option<u32>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// A size of repository.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// 300 files.
    Small,
    /// 4 850 files and a long history.
    Medium,
    /// 76 600 files.
    Large,
}

impl Size {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "SMALL",
            Self::Medium => "MEDIUM",
            Self::Large => "LARGE",
        }
    }
}

impl Options {
    /// As given on the command line.
    pub fn from_arguments() -> Self {
        let mut options = Self::parse();
        if options.short {
            options.sizes.retain(|size| *size != Size::Large);
            options.slots = options.slots.min(2);
            options.ignored = options.ignored.min(500);
        }
        options
    }

    /// How often something cheap is run.
    pub fn rounds(&self, size: Size) -> usize {
        let usual = match size {
            Size::Small => 21,
            Size::Medium => 11,
            Size::Large => 5,
        };
        match self.short {
            true => 2,
            false => self.runs.unwrap_or(usual),
        }
    }

    /// How often something dear is run.
    pub fn few(&self, size: Size) -> usize {
        let most = if self.short { 1 } else { 3 };
        self.rounds(size).min(most)
    }

    /// `full`, or in the short form `short`.
    pub fn count(&self, full: u32, short: u32) -> u32 {
        if self.short { short } else { full }
    }

    /// Whether any of these lines is wanted.
    pub fn wants(&self, names: &[&str]) -> bool {
        let pattern = self.only.as_deref().unwrap_or_default();
        names.iter().any(|name| name.contains(pattern))
    }
}
