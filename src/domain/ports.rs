//! The numbers by which the slots of a workspace keep out of each other's way, and their choice.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl PortRange {
    /// Reads `20000-29999`.
    ///
    /// # Errors
    /// What is wrong, in words that follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let port = |text: &str| match text.trim().parse::<u16>() {
            Ok(0) | Err(_) => Err("is no range of ports from 1 to 65535".to_owned()),
            Ok(port) => Ok(port),
        };
        let (first, last) = text
            .split_once('-')
            .ok_or("is no range of ports, which has the form FIRST-LAST")?;
        let (first, last) = (port(first)?, port(last)?);
        match first <= last {
            true => Ok(Self { first, last }),
            false => Err("ends before it begins".to_owned()),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// What a slot has to itself in its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Numbers {
    /// A small number, from 1.
    pub index: u32,
    /// The first of its ports; 0 if it has none.
    pub port: u16,
    /// How many ports it has.
    pub port_count: u16,
}

impl Numbers {
    /// Whether the ports are what the settings say now.
    pub fn fit(&self, range: PortRange, count: u16) -> bool {
        let last = u32::from(self.port) + u32::from(count).saturating_sub(1);
        let inside = self.port >= range.first && last <= u32::from(range.last);
        self.port_count == count && (count == 0 || inside)
    }
}

/// The numbers of one more slot: the lowest index and the lowest block of ports that none of the
/// `others` has. None if the range has no room for the block.
pub fn choose(others: &[Numbers], range: PortRange, count: u16) -> Option<Numbers> {
    let port = match count {
        0 => 0,
        _ => free_block(others, range, count)?,
    };
    let mut indexes: Vec<u32> = others.iter().map(|other| other.index).collect();
    indexes.sort_unstable();
    let index = indexes.into_iter().fold(1, |free, taken| match taken {
        taken if taken == free => free + 1,
        _ => free,
    });
    Some(Numbers {
        index,
        port,
        port_count: count,
    })
}

fn free_block(others: &[Numbers], range: PortRange, count: u16) -> Option<u16> {
    let mut blocks: Vec<(u32, u32)> = others
        .iter()
        .filter(|other| other.port_count > 0)
        .map(|other| (other.port.into(), u32::from(other.port_count)))
        .collect();
    blocks.sort_unstable();
    let mut start = u32::from(range.first);
    for (first, length) in blocks {
        if first >= start + u32::from(count) {
            break;
        }
        start = start.max(first + length);
    }
    let fits = start + u32::from(count) <= u32::from(range.last) + 1;
    u16::try_from(start).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> PortRange {
        PortRange::parse(text).unwrap()
    }

    #[test]
    fn ranges_are_read_and_written() {
        assert_eq!(range("20000-29999").to_string(), "20000-29999");
        assert_eq!(range(" 1 - 65535 ").last, 65535);
        for wrong in [
            "", "-", "1", "0-5", "5-1", "1-65536", "a-b", "1-2-3", "-1-5", "+1-",
        ] {
            assert!(PortRange::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_lowest_free_numbers_are_chosen() {
        let numbers = |index, port, port_count| Numbers {
            index,
            port,
            port_count,
        };
        let chosen = |others: &[Numbers]| choose(others, range("100-129"), 10);
        assert_eq!(chosen(&[]), Some(numbers(1, 100, 10)));
        let others = [numbers(3, 110, 10), numbers(1, 100, 5)];
        assert_eq!(chosen(&others), Some(numbers(2, 120, 10)));
        let full = [numbers(1, 95, 6), numbers(2, 110, 2), numbers(3, 121, 40)];
        assert_eq!(chosen(&full), None);
        assert_eq!(
            choose(&full, range("100-129"), 0),
            Some(numbers(4, 0, 0)),
            "none are wanted"
        );
        assert_eq!(choose(&[], range("65535-65535"), 2), None);
        assert_eq!(
            choose(&[], range("65535-65535"), 1),
            Some(numbers(1, 65535, 1))
        );
    }

    #[test]
    fn numbers_fit_while_the_settings_say_the_same() {
        let numbers = choose(&[], range("100-129"), 10).unwrap();
        assert!(numbers.fit(range("100-129"), 10) && numbers.fit(range("90-109"), 10));
        assert!(!numbers.fit(range("101-129"), 10) && !numbers.fit(range("100-108"), 10));
        assert!(!numbers.fit(range("100-129"), 9) && !numbers.fit(range("100-129"), 0));
        let none = choose(&[], range("100-129"), 0).unwrap();
        assert!(none.fit(range("1-1"), 0));
    }

    proptest! {
        #[test]
        fn no_two_slots_share_a_number(counts in proptest::collection::vec(0_u16..7, 0..40), first in 1_u16..60_000) {
            let range = PortRange { first, last: first + 99 };
            let mut all: Vec<Numbers> = Vec::new();
            for count in counts {
                let Some(numbers) = choose(&all, range, count) else {
                    let used: u32 = all.iter().map(|other| u32::from(other.port_count)).sum();
                    prop_assert!(used + u32::from(count) > 100 || count > 1);
                    continue;
                };
                prop_assert!(numbers.fit(range, count));
                for other in &all {
                    prop_assert_ne!(other.index, numbers.index);
                    let apart = other.port + other.port_count <= numbers.port
                        || numbers.port + numbers.port_count <= other.port;
                    prop_assert!(apart || count == 0 || other.port_count == 0);
                }
                all.push(numbers);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = PortRange::parse(&text);
        }
    }
}
