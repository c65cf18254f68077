//! Durations and sizes as people write them, and back.

use std::time::Duration;

/// The longest duration that is accepted: a hundred years, so that sums of times can't overflow.
pub const MAX_DURATION: Duration = Duration::from_secs(36_500 * 86_400);

/// The largest size that is accepted, in bytes: what a signed 64-bit number of the file holds.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// Reads `30s`, `1h 30m`, or plain seconds (`30`, `0.5`).
///
/// # Errors
/// What is wrong, in words that follow the value.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty".into());
    }
    // humantime panics where a sum just exceeds what a Duration holds; bounded input can't get there.
    if text.len() > 64 || longest_number(text) > 10 {
        return Err("is too long".into());
    }
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let parsed = if plain {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    match parsed {
        Ok(duration) if duration > MAX_DURATION => Err("is more than a hundred years".into()),
        Ok(duration) => Ok(duration),
        Err(humantime::DurationError::UnknownUnit { unit, .. }) if !unit.is_empty() => {
            Err(format!("has the unknown unit \"{unit}\""))
        }
        Err(_) => Err("is no duration".into()),
    }
}

/// The digits of the longest number of a duration; white space does not end a number there.
fn longest_number(text: &str) -> usize {
    let mut longest = 0;
    let mut current = 0;
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        current = if c.is_ascii_digit() { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest
}

/// Writes a duration so that [`duration`] reads the same one: `30s`, `90m`, `24h`, `1.5s`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 {
        let fraction = format!("{:09}", duration.subsec_nanos());
        return format!("{seconds}.{}s", fraction.trim_end_matches('0'));
    }
    // "24h" and "60s" read better than "1d" and "1m": a unit is used from two of it on.
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds >= 2 * length && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// Reads `10G`, `512M`, `1.5 GiB` or plain bytes; units are powers of 1024.
///
/// # Errors
/// What is wrong, in words that follow the value.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = factor(unit.trim_start())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let wrong = || "is no size".to_string();
    if whole.is_empty() || whole.len() > 19 || fraction.is_empty() || fraction.len() > 9 {
        return Err(wrong());
    }
    let whole: u128 = whole.parse().map_err(|_| wrong())?;
    let places = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let fraction: u128 = fraction.parse().map_err(|_| wrong())?;
    let bytes = whole * factor + fraction * factor / places;
    match u64::try_from(bytes) {
        Ok(bytes) if bytes <= MAX_SIZE => Ok(bytes),
        _ => Err("is too large".into()),
    }
}

/// Reads a size of memory: as [`size`] does, but a plain number is in MB.
///
/// # Errors
/// What is wrong, in words that follow the value.
pub fn memory(text: &str) -> Result<u64, String> {
    let text = text.trim();
    match text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        true => size(&format!("{text}M")),
        false => size(text),
    }
}

/// The bytes of a unit.
fn factor(unit: &str) -> Result<u128, String> {
    let upper = unit.to_ascii_uppercase();
    let stem = upper.strip_suffix("IB").or(upper.strip_suffix('B'));
    match stem.unwrap_or(&upper) {
        "" => Ok(1),
        "K" => Ok(1 << 10),
        "M" => Ok(1 << 20),
        "G" => Ok(1 << 30),
        "T" => Ok(1 << 40),
        _ => Err(format!("has the unknown unit \"{unit}\"")),
    }
}

/// Writes a size so that [`size`] reads the same one: `10G`, `1536M`, `1000`.
pub fn format_size(bytes: u64) -> String {
    for (unit, length) in [
        ("T", 1 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
    ] {
        if bytes != 0 && bytes.is_multiple_of(length) {
            return format!("{}{unit}", bytes / length);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("30s", ms(30_000)),
            ("5m", ms(300_000)),
            ("1h 30m", ms(5_400_000)),
            ("90d", ms(90 * 86_400_000)),
            ("30", ms(30_000)),
            ("0.5", ms(500)),
            ("250ms", ms(250)),
            ("0", Duration::ZERO),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            " ",
            "-1s",
            "soon",
            "5 parsecs",
            "1e5",
            ".5",
            "1.",
            "s",
            "inf",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("101y").is_err());
        assert!(duration("18446744073709551615s 1000ms").is_err());
        assert!(duration("1 8446744073709551615s 1000ms").is_err());
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("0", 0),
            ("10G", 10 << 30),
            ("512M", 512 << 20),
            ("1.5 GiB", 3 << 29),
            ("4kb", 4096),
            ("1234", 1234),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "G", "-1", "10X", "1.2.3", "99999999999T", "1.", "1 0G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", unit in "[0-9 .]{0,30}[a-zµ]{0,4}[0-9 .]{0,24}[a-z]{0,3}") {
            let _ = (duration(&text), size(&text), duration(&unit), size(&unit));
        }

        #[test]
        fn what_is_written_reads_back(seconds in 0..=MAX_DURATION.as_secs() - 1, nanos in 0_u32..1_000_000_000, bytes in 0..=MAX_SIZE) {
            let exact = Duration::new(seconds, nanos);
            prop_assert_eq!(duration(&format_duration(exact)), Ok(exact));
            let whole = Duration::from_secs(seconds);
            prop_assert_eq!(duration(&format_duration(whole)), Ok(whole));
            prop_assert_eq!(size(&format_size(bytes)), Ok(bytes));
        }
    }
}
