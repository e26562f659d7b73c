//! How many are enough: a count, or a share as a fraction.

/// How many ends of the kind that is counted reach a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threshold {
    Count(u64),
    /// `parts` of `whole`. A fraction, not a float: 2.5 % is 25 of 1000, exactly.
    Share {
        parts: u64,
        whole: u64,
    },
}

impl Threshold {
    /// Reads `3`, `10%`, `2.5%`: at most six decimals, above zero, at most 100 %.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match text.strip_suffix('%') {
            Some(percent) => share(percent),
            None => match whole_number(text) {
                Some(0) => Err("the number of jobs must be at least 1".to_owned()),
                Some(count) => Ok(Self::Count(count)),
                None => Err(format!("`{text}` is neither a whole number nor a percentage")),
            },
        }
    }

    /// Whether `counted` of `all` reach it. Nothing reaches no threshold.
    pub(crate) fn is_reached(self, counted: u64, all: u64) -> bool {
        match self {
            _ if counted == 0 => false,
            Self::Count(count) => counted >= count,
            Self::Share { parts, whole } => {
                u128::from(counted) * u128::from(whole) >= u128::from(all) * u128::from(parts)
            }
        }
    }

    /// The fewest that reach it where so many have ended.
    pub(crate) fn fewest(self, ends: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Share { parts, whole } => {
                let least = (u128::from(ends) * u128::from(parts)).div_ceil(u128::from(whole));
                u64::try_from(least).expect("no more than have ended").max(1)
            }
        }
    }
}

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
pub(super) fn whole_number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact() {
        let threshold = Threshold::read("2.5%").unwrap();
        assert_eq!(threshold, Threshold::Share { parts: 25, whole: 1000 });
        assert!(!threshold.is_reached(24, 1000));
        assert!(threshold.is_reached(25, 1000));
        assert!(!threshold.is_reached(25, 1001));
        assert!(threshold.is_reached(u64::MAX, u64::MAX));
        assert!(Threshold::read("0.1%").unwrap().is_reached(3, 3000), "a float would say 3.0000000000000004");
        assert!(Threshold::read("7%").unwrap().is_reached(7, 100), "a float would say 7.000000000000001");
        assert_eq!(Threshold::read("0.000001%"), Ok(Threshold::Share { parts: 1, whole: 100_000_000 }));
    }

    #[test]
    fn nothing_reaches_no_threshold() {
        assert!(!Threshold::read("10%").unwrap().is_reached(0, 0));
        assert!(!Threshold::Count(1).is_reached(0, 9));
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        for (text, clause) in [
            ("0", "at least 1"),
            ("0%", "above 0%"),
            ("0.0%", "above 0%"),
            ("101%", "more than 100%"),
            ("100.1%", "more than 100%"),
            ("18446744073709551%", "more than 100%"),
            ("99999999999999999999%", "not a percentage"),
            ("%", "not a percentage"),
            ("1.%", "not a percentage"),
            (".5%", "not a percentage"),
            ("1.0000001%", "not a percentage"),
            ("10%%", "not a percentage"),
            ("1.5", "neither a whole number"),
            ("+5", "neither a whole number"),
            ("", "neither a whole number"),
            ("18446744073709551616", "neither a whole number"),
        ] {
            let message = Threshold::read(text).expect_err(text);
            assert!(message.contains(clause), "{text}: {message}");
        }
    }
}
