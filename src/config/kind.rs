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
            Self::Bool => "true or false".into(),
            Self::Choice { allowed } => {
                let words: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
                words.join(", ")
            }
            Self::Text { what, .. } => (*what).into(),
            Self::List { what, .. } => format!("a list of {what}"),
        }
    }
}
