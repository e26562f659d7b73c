//! The text format, in an order that people and tests can rely on.
//!
//! What it must look like: Prometheus, *Exposition formats*, text format 0.0.4.

use std::{collections::BTreeMap, fmt::Write, sync::atomic::Ordering::Relaxed};

use metrics::Label;

use crate::{
    histogram::Histogram,
    recorder::{Entry, Series, family},
};

/// All families that have a series, by name.
pub(crate) fn of(families: &BTreeMap<String, Entry>) -> String {
    let mut text = String::new();
    for (name, Entry { help, series }) in families {
        let Some(series) = series else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        let help = family(name).map(|family| family.help).or(help.as_deref());
        write(&mut text, name, help, series).expect("a text takes everything");
    }
    text
}

fn write(text: &mut String, name: &str, help: Option<&str>, series: &Series) -> std::fmt::Result {
    if let Some(help) = help {
        writeln!(text, "# HELP {name} {}", help.replace('\\', "\\\\").replace('\n', "\\n"))?;
    }
    match series {
        Series::Counters(counters) => {
            writeln!(text, "# TYPE {name} counter")?;
            for (labels, counter) in counters {
                sample(text, name, labels, counter.load(Relaxed))?;
            }
        }
        Series::Gauges(gauges) => {
            writeln!(text, "# TYPE {name} gauge")?;
            for (labels, gauge) in gauges {
                sample(text, name, labels, number(f64::from_bits(gauge.load(Relaxed))))?;
            }
        }
        Series::Histograms(histograms) => {
            writeln!(text, "# TYPE {name} histogram")?;
            for (labels, histogram) in histograms {
                distribution(text, name, labels, histogram)?;
            }
        }
    }
    Ok(())
}

fn distribution(text: &mut String, name: &str, labels: &str, histogram: &Histogram) -> std::fmt::Result {
    let seen = histogram.seen();
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, at_most) in seen.at_most.iter().map(|(bound, count)| (number(*bound), *count)) {
        writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {at_most}")?;
    }
    writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {}", seen.count)?;
    sample(text, &format!("{name}_sum"), labels, number(seen.sum))?;
    sample(text, &format!("{name}_count"), labels, seen.count)
}

fn sample(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) -> std::fmt::Result {
    if labels.is_empty() { writeln!(text, "{name} {value}") } else { writeln!(text, "{name}{{{labels}}} {value}") }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

/// A name of a metric, with `_` for what a name can not have.
pub(crate) fn name(name: &str) -> String {
    legal(name, |c| c == ':')
}

/// Labels as they stand between braces, by their names.
pub(crate) fn labels<'l>(labels: impl Iterator<Item = &'l Label>) -> String {
    let sorted: BTreeMap<String, &str> = labels.map(|label| (legal(label.key(), |_| false), label.value())).collect();
    let written = sorted.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    written.collect::<Vec<_>>().join(",")
}

fn legal(name: &str, also: impl Fn(char) -> bool) -> String {
    let of = |(place, c): (usize, char)| match c {
        'a'..='z' | 'A'..='Z' | '_' => c,
        '0'..='9' if place > 0 => c,
        c if also(c) => c,
        _ => '_',
    };
    name.chars().enumerate().map(of).collect()
}

/// A label may have any text; three characters would end it too early.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        labels([Label::new("tenant", value.to_owned())].iter())
    }

    #[test]
    fn values_of_labels_are_escaped_so_that_different_ones_stay_different() {
        for (value, expected) in [
            ("plain", r#"tenant="plain""#),
            (r#"say "hi""#, r#"tenant="say \"hi\"""#),
            ("two\nlines", r#"tenant="two\nlines""#),
            (r"CORP\anna", r#"tenant="CORP\\anna""#),
            (r"CORP\\anna", r#"tenant="CORP\\\\anna""#),
            (r#"a\"b"#, r#"tenant="a\\\"b""#),
            ("a\\\nb", r#"tenant="a\\\nb""#),
            (r"ends with \", r#"tenant="ends with \\""#),
            ("Zürich 東京 🦀", "tenant=\"Zürich 東京 🦀\""),
        ] {
            assert_eq!(written(value), expected);
        }
    }

    #[test]
    fn names_are_made_legal() {
        assert_eq!((name("my.plugin:x"), name("9lives")), ("my_plugin:x".to_owned(), "_lives".to_owned()));
        assert_eq!(labels([Label::new("a:b", "x")].iter()), "a_b=\"x\"");
    }

    #[test]
    fn numbers_are_those_of_prometheus() {
        assert_eq!(number(2.0), "2");
        assert_eq!(number(1e-7), "0.0000001");
        assert_eq!([number(f64::INFINITY), number(f64::NEG_INFINITY), number(f64::NAN)], ["+Inf", "-Inf", "NaN"]);
    }
}
