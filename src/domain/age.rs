//! How long ago something was, as people say it.

use std::time::Duration;

use jiff::Timestamp;

/// Seconds in a minute.
pub const MINUTE: u64 = 60;
/// Seconds in an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Seconds in a day.
pub const DAY: u64 = 24 * HOUR;

/// An age, rounded down: `12s`, `4m`, `2h 5m`, `1d 4h`, `3d`. A second unit stands where the first
/// alone would hide much of what it covers.
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        s if s < MINUTE => format!("{s}s"),
        s if s < HOUR => format!("{}m", s / MINUTE),
        s if s < DAY => two_units(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s if s < 2 * DAY => two_units(s / DAY, "d", s % DAY / HOUR, "h"),
        s => format!("{}d", s / DAY),
    }
}

/// `2h 5m`; of a second unit there is none of, nothing is said.
pub fn two_units(first: u64, unit: &str, second: u64, smaller: &str) -> String {
    match second {
        0 => format!("{first}{unit}"),
        _ => format!("{first}{unit} {second}{smaller}"),
    }
}

/// The age of a moment as of `now`; a moment in the future (a clock was set back) is `0s` old.
pub fn since(moment: Timestamp, now: Timestamp) -> String {
    age(Duration::try_from(now.duration_since(moment)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_say_enough_in_two_units_at_most() {
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (7500, "2h 5m"),
            (86_399, "23h 59m"),
            (86_400, "1d"),
            (172_799, "1d 23h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(Duration::from_secs(secs)), text);
        }
        let now = Timestamp::from_second(1000).unwrap();
        assert_eq!(since(Timestamp::from_second(2000).unwrap(), now), "0s");
        assert_eq!(since(Timestamp::from_second(700).unwrap(), now), "5m");
    }
}
