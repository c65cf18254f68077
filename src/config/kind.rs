//! The types that values may have.

/// The type of a key's value, with its range.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number in a range, both ends included.
    Count {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A length of time, at most a hundred years.
    Duration {
        /// Whether zero is allowed.
        zero: bool,
        /// Whether `never` is allowed.
        never: bool,
    },
    /// Bytes.
    Size,
    /// Bytes of memory, of which a plain number says MB.
    Memory,
    /// A number of which thousandths count, in a range, both ends included.
    Decimal {
        /// The least, in thousandths.
        min: u32,
        /// The most, in thousandths.
        max: u32,
    },
    /// Yes or no.
    Bool,
    /// One of a few words.
    Choice {
        /// The words.
        allowed: &'static [&'static str],
    },
    /// A text.
    Text {
        /// What it is, with its article.
        what: &'static str,
        /// Says what is wrong with a text, to follow it.
        check: fn(&str) -> Result<(), String>,
    },
    /// Texts.
    List {
        /// What each is, in the plural.
        what: &'static str,
        /// Says what is wrong with one of them, to follow it.
        check: fn(&str) -> Result<(), String>,
    },
    /// Values by names that people choose.
    Table {
        /// What the names are, in the plural.
        names: &'static str,
        /// What each has.
        each: &'static Kind,
    },
}

impl Kind {
    /// What is allowed, in words.
    pub fn allowed(&self) -> String {
        match self {
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration { zero, never } => {
                let range = if *zero { "0 or more" } else { "more than 0" };
                let never = if *never { ", or \"never\"" } else { "" };
                format!("a duration like \"30s\" or \"1h 30m\", or seconds, {range}{never}")
            }
            Self::Size => "a size like \"10G\" or \"512M\", or bytes".into(),
            Self::Memory => "a size like \"8G\" or \"512M\", or a number of MB".into(),
            Self::Decimal { min, max } => format!(
                "a number from {} to {}",
                thousandths(*min),
                thousandths(*max)
            ),
            Self::Bool => "true or false".into(),
            Self::Choice { allowed } => {
                let words: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
                words.join(", ")
            }
            Self::Text { what, .. } => (*what).into(),
            Self::List { what, .. } => format!("a list of {what}"),
            Self::Table { names, each } => format!("a table of {names}, each {}", each.allowed()),
        }
    }
}

/// A number of thousandths, as people write it.
pub(super) fn thousandths(number: u32) -> String {
    let (whole, rest) = (number / 1000, number % 1000);
    match rest {
        0 => whole.to_string(),
        _ => format!("{whole}.{rest:03}")
            .trim_end_matches('0')
            .to_owned(),
    }
}
