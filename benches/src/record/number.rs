//! Numbers for people.

use crate::measure::Unit;

/// A value with its unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::JobsPerSecond => format!("{} jobs/s", grouped(value)),
        Unit::Seconds => format!("{value:.3} s"),
        Unit::Nanoseconds => nanos(value),
        Unit::BytesPerJob => format!("{value:.1} B/job"),
    }
}

/// A time that is short or not.
pub(super) fn nanos(nanos: f64) -> String {
    let (value, unit) = match nanos {
        nanos if nanos < 1e4 => return format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => (nanos / 1e3, "µs"),
        nanos => (nanos / 1e6, "ms"),
    };
    format!("{value:.1} {unit}")
}

/// How many times the baseline.
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0} ×"),
        ratio if ratio >= 10.0 => format!("{ratio:.1} ×"),
        ratio => format!("{ratio:.2} ×"),
    }
}

/// Rounded, in groups of three digits; small ones with a decimal.
fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        assert_eq!(value(4_412_345.6, Unit::JobsPerSecond), "4,412,346 jobs/s");
        assert_eq!(value(621.4, Unit::JobsPerSecond), "621 jobs/s");
        assert_eq!(value(7.04, Unit::JobsPerSecond), "7.0 jobs/s");
        assert_eq!(value(1.23456, Unit::Seconds), "1.235 s");
        assert_eq!(value(87.96, Unit::BytesPerJob), "88.0 B/job");
        assert_eq!([nanos(377.2), nanos(12_340.0), nanos(2_500_000.0)], ["377 ns", "12.3 µs", "2.5 ms"]);
        assert_eq!([times(0.987), times(31.26), times(512.7)], ["0.99 ×", "31.3 ×", "513 ×"]);
    }
}
