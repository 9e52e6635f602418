//! Writes families and samples of OpenMetrics 1.0.

use std::collections::BTreeSet;

/// What a family is; bytes and seconds are gauges with a unit, which their names end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// Such a number of bytes.
    Bytes,
    /// Such a number of seconds.
    Seconds,
    /// A number that only grows as long as the broker lives.
    Counter,
    /// Labels that say something.
    Info,
    /// States of which some hold.
    StateSet,
}

/// A text that grows.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// One family of it.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    suffix: &'static str,
    /// The labels of samples so far.
    told: BTreeSet<String>,
}

impl Text {
    /// Begins a family; each name is used once.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let (word, unit, suffix) = match kind {
            Kind::Gauge => ("gauge", None, ""),
            Kind::Bytes => ("gauge", Some("bytes"), ""),
            Kind::Seconds => ("gauge", Some("seconds"), ""),
            Kind::Counter => ("counter", None, "_total"),
            Kind::Info => ("info", None, "_info"),
            Kind::StateSet => ("stateset", None, ""),
        };
        let text = &mut self.0;
        *text += &format!("# TYPE {name} {word}\n");
        if let Some(unit) = unit {
            *text += &format!("# UNIT {name} {unit}\n");
        }
        *text += &format!("# HELP {name} {help}\n");
        Family { text, name, suffix, told: BTreeSet::new() }
    }

    /// The whole text.
    pub(super) fn end(self) -> String {
        self.0 + "# EOF\n"
    }
}

impl Family<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a sample, unless there is one with these labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], number: u64) {
        self.value(labels, &number.to_string());
    }

    /// Adds the one sample of a time, in seconds.
    pub(super) fn milliseconds(&mut self, ms: u64) {
        self.value(&[], &format!("{}.{:03}", ms / 1000, ms % 1000));
    }

    fn value(&mut self, labels: &[(&str, &str)], value: &str) {
        let labels = written(labels);
        let line = format!("{}{}{labels} {value}\n", self.name, self.suffix);
        if self.told.insert(labels) {
            *self.text += &line;
        }
    }
}

fn written(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels: Vec<_> = labels.iter().map(|(name, value)| label(name, value)).collect();
    format!("{{{}}}", labels.join(","))
}

/// A label with its value escaped. Characters that a terminal would obey are in no honest name.
fn label(name: &str, value: &str) -> String {
    let mut label = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => label += "\\\\",
            '"' => label += "\\\"",
            '\n' => label += "\\n",
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => label.push('\u{fffd}'),
            c if c.is_control() => label.push('\u{fffd}'),
            c => label.push(c),
        }
    }
    label.push('"');
    label
}
