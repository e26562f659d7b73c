//! How many attempts run at once.

use std::{borrow::Cow, fmt, num::NonZeroUsize, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of attempts, `auto`, or a part of the CPUs such as `75%`.
///
/// CPUs are those available to this process (affinity mask and cgroup quota), asked for when the limit is resolved, not
/// when the config is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// Exactly this many, 1 to [`Concurrency::MAX`].
    Fixed(u32),
    /// As many as there are CPUs. What follows the load is a governor.
    Auto,
    /// This part of the CPUs in percent, 1 to [`Concurrency::MAX_PERCENT`], rounded up: at least one.
    Percent(u32),
}

/// Why a value is no limit of concurrency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadConcurrency {
    /// Zero, negative or too large.
    #[error("concurrency must be from 1 to {max}, found {0}", max = Concurrency::MAX)]
    Range(String),
    /// Zero, negative or too large a percentage.
    #[error("a percentage of the CPUs must be from 1% to {max}%, found {0}", max = Concurrency::MAX_PERCENT)]
    Percent(String),
    /// Not a number, `auto` or a percentage.
    #[error("`{0}` is no concurrency; write a number, \"auto\" or a percentage of the CPUs such as \"75%\"")]
    Word(String),
}

impl Concurrency {
    /// The largest number of attempts at once: more is a slip of the fingers, not a plan.
    pub const MAX: u32 = 1_000_000;
    /// The largest percentage of the CPUs.
    pub const MAX_PERCENT: u32 = 10_000;

    /// The number of attempts on a machine with `cpus` CPUs.
    pub fn on(self, cpus: NonZeroUsize) -> NonZeroUsize {
        let attempts = match self {
            Self::Fixed(number) => number as usize,
            Self::Auto => cpus.get(),
            Self::Percent(percent) => cpus.get().saturating_mul(percent as usize).div_ceil(100),
        };
        NonZeroUsize::new(attempts).unwrap_or(NonZeroUsize::MIN)
    }

    fn fixed(number: i128) -> Result<Self, BadConcurrency> {
        match u32::try_from(number) {
            Ok(number @ 1..=Self::MAX) => Ok(Self::Fixed(number)),
            _ => Err(BadConcurrency::Range(number.to_string())),
        }
    }

    fn percent(digits: &str) -> Option<Result<Self, BadConcurrency>> {
        let number: i128 = digits.parse().ok()?;
        Some(match u32::try_from(number) {
            Ok(percent @ 1..=Self::MAX_PERCENT) => Ok(Self::Percent(percent)),
            _ => Err(BadConcurrency::Percent(format!("{digits}%"))),
        })
    }
}

impl FromStr for Concurrency {
    type Err = BadConcurrency;
    fn from_str(text: &str) -> Result<Self, BadConcurrency> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let word = || BadConcurrency::Word(text.to_owned());
        match text.strip_suffix('%') {
            Some(digits) => Self::percent(digits).unwrap_or_else(|| Err(word())),
            None => Self::fixed(text.parse().map_err(|_| word())?),
        }
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => write!(f, "{number}"),
            Self::Auto => f.write_str("auto"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Concurrency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(number) => serializer.serialize_u32(*number),
            Self::Auto | Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Concurrency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Concurrency;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"auto\" or a percentage such as \"75%\"")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Concurrency, E> {
                Concurrency::fixed(number.into()).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Concurrency, E> {
                Concurrency::fixed(number.into()).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Concurrency, E> {
                // In a file a number is written as a number: "10" in quotes is most likely a mistake about types.
                match text.parse() {
                    Ok(Concurrency::Fixed(_)) => Err(E::invalid_type(de::Unexpected::Str(text), &self)),
                    other => other.map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Concurrency {
    fn schema_name() -> Cow<'static, str> {
        "Concurrency".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": Self::MAX,
            "pattern": "^(auto|[1-9][0-9]*%)$",
            "examples": [10, "auto", "75%"],
        })
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn the_number_of_attempts_on_eight_cpus() {
        let cpus = NonZeroUsize::new(8).unwrap();
        for (text, attempts) in [("10", 10), ("auto", 8), ("75%", 6), ("1%", 1), ("200%", 16), ("13%", 2)] {
            assert_eq!(text.parse::<Concurrency>().unwrap().on(cpus).get(), attempts, "{text}");
        }
    }

    #[test]
    fn every_form_reads_back_as_it_is_written() {
        for value in [json!(10), json!("auto"), json!("75%")] {
            let concurrency: Concurrency = from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(concurrency).unwrap(), value);
            assert_eq!(concurrency.to_string().parse(), Ok(concurrency));
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_with_what_is() {
        let message = |value| from_value::<Concurrency>(value).unwrap_err().to_string();
        let cases = [
            (json!(0), "concurrency must be from 1 to 1000000, found 0"),
            (json!(-3), "concurrency must be from 1 to 1000000, found -3"),
            (json!(1_000_001), "concurrency must be from 1 to 1000000, found 1000001"),
            (json!("0%"), "a percentage of the CPUs must be from 1% to 10000%, found 0%"),
            (json!("-5%"), "a percentage of the CPUs must be from 1% to 10000%, found -5%"),
            (
                json!("ten"),
                "`ten` is no concurrency; write a number, \"auto\" or a percentage of the CPUs such as \"75%\"",
            ),
            (json!("10"), "invalid type: string \"10\", expected a number, \"auto\" or a percentage such as \"75%\""),
            (
                json!(1.5),
                "invalid type: floating point `1.5`, expected a number, \"auto\" or a percentage such as \"75%\"",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(message(value), expected);
        }
    }
}
