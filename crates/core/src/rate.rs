//! How many in which time.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::parse_duration;

/// So many in a time: `60/m`, `10/s`, `5/10s`.
///
/// A rate is a number above zero over a time above zero, so that it always lets something through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
}

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRate {
    /// Not a number over a time.
    #[error("`{0}` is no rate; write a whole number over a time, such as \"60/m\", \"10/s\" or \"5/10s\"")]
    Form(String),
    /// It would let nothing through.
    #[error("a rate of 0 lets nothing start; write at least 1, or a longer time such as \"1/h\"")]
    Nothing,
    /// More than is meant.
    #[error("a rate has at most {max} in a time, found {0}", max = Rate::COUNT_MAX)]
    TooMany(String),
    /// Zero, or longer than [`Rate::PER_MAX`].
    #[error("the time of a rate must be from 1ms to 30d, found `{0}`")]
    Time(String),
}

impl Rate {
    /// The largest number.
    pub const COUNT_MAX: u32 = 1_000_000_000;
    /// The longest time.
    pub const PER_MAX: Duration = Duration::from_secs(30 * DAY);

    /// `count` in each `per`.
    pub fn new(count: u32, per: Duration) -> Result<Self, BadRate> {
        let count = NonZeroU32::new(count).ok_or(BadRate::Nothing)?;
        if count.get() > Self::COUNT_MAX {
            return Err(BadRate::TooMany(count.to_string()));
        }
        if per < Duration::from_millis(1) || per > Self::PER_MAX {
            return Err(BadRate::Time(format!("{per:?}")));
        }
        Ok(Self { count, per })
    }

    /// How many.
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In which time.
    pub fn per(self) -> Duration {
        self.per
    }
}

const DAY: u64 = 24 * 60 * 60;

/// Times that are written without a number.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", DAY)];

impl FromStr for Rate {
    type Err = BadRate;
    fn from_str(text: &str) -> Result<Self, BadRate> {
        let form = || BadRate::Form(text.to_owned());
        let (count, per) = text.split_once('/').ok_or_else(form)?;
        let (count, per) = (count.trim(), per.trim());
        let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(form());
        }
        let seconds = UNITS.iter().find(|(unit, _)| *unit == per).map(|(_, seconds)| *seconds);
        let per = match seconds {
            Some(seconds) => Duration::from_secs(seconds),
            None => match parse_duration(per) {
                Ok(per) if !per.is_zero() => per,
                Ok(_) => return Err(BadRate::Time(per.to_owned())),
                Err(_) => return Err(form()),
            },
        };
        let count = count.parse().map_err(|_| BadRate::TooMany(count.to_owned()))?;
        Self::new(count, per)
    }
}

/// As it is read: `60/m`, `5/10s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.count)?;
        let (seconds, nanos) = (self.per.as_secs(), self.per.subsec_nanos());
        if nanos > 0 {
            let nanos = self.per.as_nanos();
            return if nanos.is_multiple_of(1_000_000) {
                write!(f, "{}ms", nanos / 1_000_000)
            } else {
                write!(f, "{nanos}ns")
            };
        }
        match UNITS.iter().find(|(_, unit)| *unit == seconds) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = BadRate;
    fn try_from(text: String) -> Result<Self, BadRate> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_over_a_time_and_reads_back() {
        for (text, count, millis, written) in [
            ("60/m", 60, 60_000, "60/m"),
            ("10/s", 10, 1000, "10/s"),
            (" 3 / h ", 3, 3_600_000, "3/h"),
            ("1/d", 1, 86_400_000, "1/d"),
            ("5/10s", 5, 10_000, "5/10s"),
            ("5/60s", 5, 60_000, "5/m"),
            ("7/250ms", 7, 250, "7/250ms"),
            ("1/1m 30s", 1, 90_000, "1/90s"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count().get(), rate.per()), (count, Duration::from_millis(millis)), "{text}");
            assert_eq!(rate.to_string(), written);
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_what_is() {
        let refused = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        let form = "is no rate; write a whole number over a time, such as \"60/m\", \"10/s\" or \"5/10s\"";
        for text in ["60", "", "/m", "60/", "-1/m", "NaN/s", "nan/m", "1.5/s", "60/fortnight", "m/60", "inf/s", "+1/s"]
        {
            assert_eq!(refused(text), format!("`{text}` {form}"));
        }
        for text in ["0/m", "00/s"] {
            assert!(refused(text).starts_with("a rate of 0 lets nothing start"), "{text}");
        }
        for text in ["1/0s", "1/31d", "1/1us", "1/800h"] {
            assert!(refused(text).starts_with("the time of a rate must be from 1ms to 30d"), "{}", refused(text));
        }
        for text in ["1000000001/s", "99999999999999999999/s"] {
            assert!(refused(text).starts_with("a rate has at most 1000000000 in a time"), "{text}");
        }
    }
}
