//! The text format of Prometheus, version 0.0.4: families of samples.

use std::fmt::{Display, Write};

use crate::meter::{BUCKETS, bound};

/// Of the `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page under way. Family by family, each with its samples behind it.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    pub fn counter(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "counter", help)
    }

    pub fn gauge(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "gauge", help)
    }

    pub fn histogram(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "histogram", help)
    }

    fn begin(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        self.family = name;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self
    }

    pub fn value(&mut self, value: impl Display) {
        self.sample(&[], value);
    }

    /// One sample of the family begun last.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let name = self.family;
        self.line(name, labels, value);
    }

    /// The samples of a histogram: how many in each bucket, and the sum in seconds.
    pub fn distribution(&mut self, (counts, sum): ([u64; BUCKETS], std::time::Duration)) {
        let name = self.family;
        let mut up_to = 0;
        for (at, count) in counts.into_iter().enumerate() {
            up_to += count;
            let end = bound(at).map_or_else(|| "+Inf".to_owned(), |end| end.as_secs_f64().to_string());
            self.line(&format!("{name}_bucket"), &[("le", &end)], up_to);
        }
        self.line(&format!("{name}_sum"), &[], sum.as_secs_f64());
        self.line(&format!("{name}_count"), &[], up_to);
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            self.write(format_args!("{open}{label}=\"{}\"", escaped(text)));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        self.text.write_fmt(what).expect("a String takes all");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_its_help_its_type_and_its_samples() {
        let mut page = Exposition::default();
        page.gauge("a", "How many.").value(3);
        page.counter("b_total", "So many.").sample(&[("x", "1"), ("y", "\"\\\n")], 0.5);
        assert_eq!(
            page.finish(),
            "# HELP a How many.\n# TYPE a gauge\na 3\n# HELP b_total So many.\n# TYPE b_total counter\n\
             b_total{x=\"1\",y=\"\\\"\\\\\\n\"} 0.5\n"
        );
    }

    #[test]
    fn buckets_of_a_histogram_add_up() {
        let mut counts = [0; BUCKETS];
        (counts[0], counts[2], counts[BUCKETS - 1]) = (5, 1, 2);
        let mut page = Exposition::default();
        page.histogram("t_seconds", "Time.").distribution((counts, std::time::Duration::from_millis(1500)));
        let text = page.finish();
        for line in [
            "t_seconds_bucket{le=\"0.000001024\"} 5",
            "t_seconds_bucket{le=\"0.000002048\"} 5",
            "t_seconds_bucket{le=\"0.000004096\"} 6",
            "t_seconds_bucket{le=\"17.179869184\"} 6",
            "t_seconds_bucket{le=\"+Inf\"} 8",
            "t_seconds_sum 1.5",
            "t_seconds_count 8",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
    }
}
