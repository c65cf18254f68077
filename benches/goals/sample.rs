//! Measured values and what is said about them.

use std::time::Duration;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Time,
    /// Bytes.
    Bytes,
    /// How many a second.
    Rate,
}

/// The values of one thing that was measured several times.
#[derive(Debug, Clone)]
pub struct Samples {
    unit: Unit,
    values: Vec<f64>,
}

impl Samples {
    /// Times, to be measured.
    pub fn times() -> Self {
        Self::of(Unit::Time, Vec::new())
    }

    /// Values that are there.
    pub fn of(unit: Unit, values: Vec<f64>) -> Self {
        Self { unit, values }
    }

    /// A size in bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self::of(Unit::Bytes, vec![bytes as f64])
    }

    /// One more time.
    pub fn push(&mut self, took: Duration) {
        self.values.push(took.as_secs_f64() * 1e3);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// The value that half of the others are above.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Each value added to the one of the same round.
    pub fn plus(&self, other: &Self) -> Self {
        let pairs = self.values.iter().zip(&other.values);
        Self::of(self.unit, pairs.map(|(a, b)| a + b).collect())
    }

    /// Each value several times over.
    pub fn times_over(&self, factor: f64) -> Self {
        Self::of(self.unit, self.values.iter().map(|v| v * factor).collect())
    }

    /// How many a second that is, if each value is the time for so many.
    pub fn rate_of(&self, count: u32) -> Self {
        let rates = self.values.iter().map(|ms| f64::from(count) * 1e3 / ms);
        Self::of(Unit::Rate, rates.collect())
    }

    /// The median in words.
    pub fn shown(&self) -> String {
        shown(self.median(), self.unit)
    }

    /// A bound in words, in the same unit.
    pub fn shown_bound(&self, bound: f64) -> String {
        match self.unit {
            Unit::Time => format!("{bound} ms"),
            Unit::Bytes => format!("{:.0} MiB", bound / MIB),
            Unit::Rate => format!("{bound} /s"),
        }
    }

    /// The middle half of the values.
    pub fn spread(&self) -> String {
        if self.count() < 2 {
            return String::new();
        }
        let number = |value: f64| {
            let text = shown(value, self.unit);
            text.split(' ').next().unwrap_or_default().to_owned()
        };
        // Both in the unit of the median, or they could not be told apart.
        let scale = match self.unit {
            Unit::Time if self.median() >= SECOND => 1e-3,
            _ => 1.0,
        };
        let (low, high) = (self.quantile(0.25), self.quantile(0.75));
        match self.unit {
            Unit::Time => format!(
                "{:.digits$}–{:.digits$}",
                low * scale,
                high * scale,
                digits = digits(high * scale)
            ),
            _ => format!("{}–{}", number(low), number(high)),
        }
    }

    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return f64::NAN;
        };
        let place = share * last as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        sorted[below] + (sorted[above] - sorted[below]) * place.fract()
    }
}

const MIB: f64 = 1024.0 * 1024.0;
const SECOND: f64 = 1000.0;

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Time if value >= SECOND => format!("{:.2} s", value / SECOND),
        Unit::Time => format!("{value:.*} ms", digits(value)),
        Unit::Bytes if value < MIB => format!("{:.0} KiB", value / 1024.0),
        Unit::Bytes => format!("{:.1} MiB", value / MIB),
        Unit::Rate => format!("{value:.0} /s"),
    }
}

/// Three digits are what a measurement is worth.
fn digits(value: f64) -> usize {
    match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    }
}
