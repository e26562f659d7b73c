//! One rule, in GNU parallel's grammar: `never`, or `WHEN,fail=THRESHOLD`.

use std::{fmt, str::FromStr};

/// When and how failures stop a batch, for example `soon,fail=10%`. Displays as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: String,
    condition: Option<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) when: When,
    pub(crate) threshold: Threshold,
}

/// What happens to jobs that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// They finish.
    Soon,
    /// They are stopped.
    Now,
}

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threshold {
    Count(u64),
    /// `parts` of `whole` of all jobs. A fraction, not a float: 2.5 % is 25 of 1000, exactly.
    Share {
        parts: u64,
        whole: u64,
    },
}

impl Threshold {
    /// Whether `failed` of `total` jobs reach it.
    pub(crate) fn is_reached(self, failed: u64, total: u64) -> bool {
        match self {
            Self::Count(count) => failed >= count,
            Self::Share { parts, whole } => {
                u128::from(failed) * u128::from(whole) >= u128::from(total) * u128::from(parts)
            }
        }
    }
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; supported are `never`, `soon,fail=N`, `soon,fail=N%`, `now,fail=N` and `now,fail=N%`")]
#[non_exhaustive]
pub struct Error {
    /// A clause: what is wrong.
    pub message: String,
    /// The byte of the text where it is wrong.
    pub offset: usize,
}

impl Rule {
    /// Whether it is `never`.
    pub fn is_never(&self) -> bool {
        self.condition.is_none()
    }

    pub(crate) fn condition(&self) -> Option<Condition> {
        self.condition
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let condition = if text == "never" { None } else { Some(condition(text)?) };
        Ok(Self { text: text.to_owned(), condition })
    }
}

fn condition(text: &str) -> Result<Condition, Error> {
    let Some((when, why)) = text.split_once(',') else {
        return Err(without_comma(text));
    };
    let when = match when {
        "soon" => When::Soon,
        "now" => When::Now,
        other => return Err(Error { message: format!("`{other}` is neither `soon` nor `now`"), offset: 0 }),
    };
    let offset = text.len() - why.len();
    let Some((name, value)) = why.split_once('=') else {
        return Err(Error { message: format!("`{why}` has no `=`"), offset });
    };
    if name != "fail" {
        return Err(Error { message: format!("the condition `{name}` is not supported"), offset });
    }
    let threshold = threshold(value).map_err(|message| Error { message, offset: text.len() - value.len() })?;
    Ok(Condition { when, threshold })
}

fn without_comma(text: &str) -> Error {
    let message = match text {
        "" => "a rule must not be empty".to_owned(),
        "soon" | "now" => format!("`{text}` needs a condition, for example `{text},fail=1`"),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            format!("`{text}` is a short form that is not supported, write for example `soon,fail=1`")
        }
        _ => format!("`{text}` is not a rule"),
    };
    Error { message, offset: 0 }
}

fn threshold(value: &str) -> Result<Threshold, String> {
    match value.strip_suffix('%') {
        Some(percent) => share(percent),
        None => match whole_number(value) {
            Some(0) => Err("the number of failures must be at least 1".to_owned()),
            Some(count) => Ok(Threshold::Count(count)),
            None => Err(format!("`{value}` is neither a whole number nor a percentage")),
        },
    }
}

/// Reads `10`, `2.5`: digits, and at most six decimals.
fn share(percent: &str) -> Result<Threshold, String> {
    let bad = || format!("`{percent}%` is not a percentage, such as `10%` or `2.5%`");
    let (whole_part, decimals) = percent.split_once('.').map_or((percent, None), |(w, d)| (w, Some(d)));
    let decimal_part = decimals.unwrap_or("");
    if decimals == Some("") || decimal_part.len() > 6 {
        return Err(bad());
    }
    let scale = 10_u64.pow(u32::try_from(decimal_part.len()).map_err(|_| bad())?);
    let fraction = if decimal_part.is_empty() { 0 } else { whole_number(decimal_part).ok_or_else(bad)? };
    let parts = whole_number(whole_part).ok_or_else(bad)?;
    let parts = parts.checked_mul(scale).and_then(|parts| parts.checked_add(fraction)).ok_or_else(bad)?;
    match parts {
        0 => Err("the percentage must be above 0%".to_owned()),
        parts if parts > 100 * scale => Err(format!("`{percent}%` is more than 100%")),
        parts => Ok(Threshold::Share { parts, whole: 100 * scale }),
    }
}

/// Digits only: `parse` alone would take `+5`.
fn whole_number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Condition> {
        let rule: Rule = text.parse().unwrap();
        assert_eq!(rule.to_string(), text, "a rule displays as it was written");
        rule.condition()
    }

    #[test]
    fn the_grammar_reads() {
        use Threshold::{Count, Share};
        use When::{Now, Soon};
        assert_eq!(parsed("never"), None);
        for (text, when, threshold) in [
            ("soon,fail=1", Soon, Count(1)),
            ("now,fail=300", Now, Count(300)),
            ("soon,fail=10%", Soon, Share { parts: 10, whole: 100 }),
            ("now,fail=2.5%", Now, Share { parts: 25, whole: 1000 }),
            ("now,fail=0.000001%", Now, Share { parts: 1, whole: 100_000_000 }),
            ("now,fail=100%", Now, Share { parts: 100, whole: 100 }),
            ("soon,fail=18446744073709551615", Soon, Count(u64::MAX)),
        ] {
            assert_eq!(parsed(text), Some(Condition { when, threshold }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_place_and_what_is_supported() {
        for (text, offset, clause) in [
            ("", 0, "must not be empty"),
            ("Never", 0, "not a rule"),
            ("soon", 0, "for example `soon,fail=1`"),
            ("2", 0, "short form"),
            ("-1", 0, "short form"),
            ("10%", 0, "short form"),
            ("later,fail=1", 0, "neither `soon` nor `now`"),
            ("soon, fail=1", 5, "condition ` fail`"),
            ("soon,fail", 5, "no `=`"),
            ("soon,success=1", 5, "condition `success` is not supported"),
            ("now,done=10%", 4, "condition `done` is not supported"),
            ("soon,fail=0", 10, "at least 1"),
            ("soon,fail=0%", 10, "above 0%"),
            ("soon,fail=0.0%", 10, "above 0%"),
            ("soon,fail=101%", 10, "more than 100%"),
            ("soon,fail=100.1%", 10, "more than 100%"),
            ("soon,fail=99999999999999999999%", 10, "not a percentage"),
            ("soon,fail=18446744073709551%", 10, "more than 100%"),
            ("soon,fail=1.%", 10, "not a percentage"),
            ("soon,fail=.5%", 10, "not a percentage"),
            ("soon,fail=1.0000001%", 10, "not a percentage"),
            ("soon,fail=1.5", 10, "neither a whole number"),
            ("soon,fail=+5", 10, "neither a whole number"),
            ("soon,fail=", 10, "neither a whole number"),
            ("soon,fail=18446744073709551616", 10, "neither a whole number"),
            ("soon,fail=3,fail=4", 10, "neither a whole number"),
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert!(error.to_string().contains(clause), "{text}: {error}");
            assert!(error.to_string().ends_with("and `now,fail=N%`"), "{text}: {error}");
            assert_eq!(error.offset, offset, "{text}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let Some(Condition { threshold, .. }) = parsed("soon,fail=2.5%") else { panic!("it has a threshold") };
        assert!(!threshold.is_reached(24, 1000));
        assert!(threshold.is_reached(25, 1000));
        assert!(!threshold.is_reached(25, 1001));
        assert!(threshold.is_reached(u64::MAX, u64::MAX));
        let Some(Condition { threshold, .. }) = parsed("soon,fail=0.1%") else { panic!("it has a threshold") };
        assert!(threshold.is_reached(3, 3000), "a float would say 3.0000000000000004");
    }
}
