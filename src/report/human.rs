//! Numbers as people say them.

pub use crate::domain::age::{age, since};

use crate::domain::age::{DAY, HOUR, MINUTE, two_units};

/// A size in binary units with one decimal: `512 B`, `1.2 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024.0 belongs to the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A duration given in seconds: `3.4 ms`, `1.2 s`, `4m 12s`, `3h 5m`, `2d 4h`.
pub fn seconds(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 0.9995 {
        // Nobody needs the tenths of a quarter of a second.
        let digits = usize::from(seconds < 0.0995);
        return format!("{:.digits$} ms", seconds * 1e3);
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    match seconds.round() as u64 {
        s if s < HOUR => two_units(s / MINUTE, "m", s % MINUTE, "s"),
        s if s < DAY => two_units(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s => two_units(s / DAY, "d", s % DAY / HOUR, "h"),
    }
}

/// A count with its noun: `1 slot`, `3 slots`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_use_binary_units() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_288_490_189, "1.2 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn durations_use_two_units_at_most() {
        for (n, text) in [
            (-1.0, "0.0 ms"),
            (0.0034, "3.4 ms"),
            (0.0996, "100 ms"),
            (0.25, "250 ms"),
            (0.99999, "1.0 s"),
            (1.24, "1.2 s"),
            (59.97, "1m"),
            (7200.0, "2h"),
            (252.0, "4m 12s"),
            (11_100.0, "3h 5m"),
            (187_200.0, "2d 4h"),
        ] {
            assert_eq!(seconds(n), text);
        }
    }
}
