//! Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;

/// A label and its value.
pub type Label<'a> = (&'a str, &'a str);

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// The page as it is.
    pub fn into_text(self) -> String {
        self.text
    }

    /// A family of samples; nothing of one that has none.
    pub fn family<'a>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label<'a>>, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.head(name, kind, help);
        }
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// What stands above the samples of a family.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// The samples of a histogram: how many were within which bound, the sum of all, and how many
    /// there were.
    pub fn histogram(
        &mut self,
        name: &str,
        labels: &[Label<'_>],
        within: impl IntoIterator<Item = (f64, u64)>,
        (sum, count): (f64, u64),
    ) {
        let bucket = format!("{name}_bucket");
        let bounds = within
            .into_iter()
            .map(|(bound, count)| (bound.to_string(), count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), count)]) {
            let labels: Vec<Label<'_>> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.sample(&bucket, &labels, count as f64);
        }
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count as f64);
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: f64) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let _ = writeln!(self.text, "{name}{{{}}} {value}", labels.join(","));
    }
}

/// A label's value as the format wants it between quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
        assert_eq!(escaped("ä é"), "ä é");
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        let mut page = Page::default();
        page.family("a", "gauge", "Nothing.", Vec::new());
        page.family("b", "gauge", "One.", [(vec![("run", "r")], 0.5)]);
        page.histogram("c", &[("run", "r")], [(0.5, 1)], (3.5, 2));
        insta::assert_snapshot!(page.into_text(), @r#"
        # HELP b One.
        # TYPE b gauge
        b{run="r"} 0.5
        c_bucket{run="r",le="0.5"} 1
        c_bucket{run="r",le="+Inf"} 2
        c_sum{run="r"} 3.5
        c_count{run="r"} 2
        "#);
    }
}
