//! A strict reader of Prometheus' text format, version 0.0.4: what it takes, every collector takes.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A page of metrics.
pub struct Page {
    samples: BTreeMap<(String, Labels), f64>,
}

/// The family whose samples are being read.
struct Family {
    name: String,
    kind: String,
}

impl Page {
    /// Reads a page, which must keep to every rule.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut page = Self {
            samples: BTreeMap::new(),
        };
        let mut families = BTreeSet::new();
        let mut family: Option<Family> = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(is_name(name) && !help.trim().is_empty(), "{line}");
                assert!(!help.contains('\\'), "{line}");
                assert!(families.insert(name.to_owned()), "twice: {name}");
                let kind = lines.next().and_then(|line| {
                    line.strip_prefix("# TYPE ")?
                        .strip_prefix(name)?
                        .strip_prefix(' ')
                });
                let kind = kind.unwrap_or_else(|| panic!("no type: {name}")).to_owned();
                check_name(name, &kind);
                family = Some(Family {
                    name: name.to_owned(),
                    kind,
                });
            } else {
                let family = family.as_ref().expect("a family");
                let (name, labels, value) = sample(line);
                assert!(belongs(&name, family), "{line} is not of {}", family.name);
                if family.kind != "gauge" {
                    assert!(value >= 0.0, "{line}");
                }
                let known = page.samples.insert((name, labels), value);
                assert!(known.is_none(), "twice: {line}");
            }
        }
        page.check_histograms(text);
        page
    }

    /// The value of a sample that must be there.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels)
            .unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// The value of a sample with exactly these labels.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        self.samples
            .get(&(name.to_owned(), labels.collect()))
            .copied()
    }

    /// Buckets rise in the order in which they are printed, and end with all.
    fn check_histograms(&self, text: &str) {
        let mut last: BTreeMap<(String, Labels), (f64, f64)> = BTreeMap::new();
        for line in text.lines().filter(|line| line.contains("_bucket{")) {
            let (name, mut labels, count) = sample(line);
            let le = labels.remove("le").expect("a bound");
            let le = number(&le);
            let key = (name, labels);
            if let Some((bound, within)) = last.get(&key) {
                assert!(*bound < le && *within <= count, "{line}");
            }
            last.insert(key, (le, count));
        }
        for ((name, labels), (bound, count)) in last {
            assert_eq!(bound, f64::INFINITY, "{name}");
            let name = name.strip_suffix("_bucket").expect("a bucket");
            let of = |part: &str| self.samples.get(&(format!("{name}{part}"), labels.clone()));
            assert_eq!(of("_count"), Some(&count), "{name}");
            assert!(of("_sum").is_some(), "{name}");
        }
    }
}

/// What the conventions ask of names: counters end with `_total`, nothing else does, and units are
/// spelled out.
fn check_name(name: &str, kind: &str) {
    assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
    assert!(name.starts_with("repo_pool_"), "{name}");
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    let reserved = ["_bucket", "_sum", "_count"];
    assert!(!reserved.iter().any(|end| name.ends_with(end)), "{name}");
    if ["duration", "age", "timestamp"]
        .iter()
        .any(|word| name.contains(word))
    {
        assert!(name.ends_with("_seconds"), "{name}");
    }
}

fn belongs(sample: &str, family: &Family) -> bool {
    match (
        family.kind.as_str(),
        sample.strip_prefix(family.name.as_str()),
    ) {
        ("histogram", Some(part)) => ["_bucket", "_sum", "_count"].contains(&part),
        (_, part) => part == Some(""),
    }
}

/// `name{label="value",…} number`, and nothing more.
fn sample(line: &str) -> (String, Labels, f64) {
    let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    let mut rest = rest;
    loop {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(label) && !label.contains(':'), "{line}");
        let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                let value = after.strip_prefix("} ").unwrap_or_else(|| panic!("{line}"));
                return (name.to_owned(), labels, number(value));
            }
        }
    }
}

/// A value up to its closing quote, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                same @ ('"' | '\\') => same,
                _ => return None,
            }),
            (_, other) => value.push(other),
        }
    }
}

fn number(text: &str) -> f64 {
    if text == "+Inf" {
        return f64::INFINITY;
    }
    assert!(
        text.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
        "{text:?} is no number"
    );
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}
