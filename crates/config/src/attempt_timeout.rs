//! How long an attempt may take: a time, or a multiple of what is usual.

use std::{borrow::Cow, fmt, num::NonZeroU32, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Timeout;

/// A time limit such as `5m`, or a percentage such as `300%` of the median of the attempts that succeeded. Until there are
/// enough of these, a percentage is the default limit of five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptTimeout {
    /// This long.
    Plain(Timeout),
    /// In percent of the median: 101 to [`AttemptTimeout::MAX_PERCENT`].
    OfMedian(NonZeroU32),
}

/// A percentage that is no time limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a percentage of the median must be from 101% to {max}%, found {0}", max = AttemptTimeout::MAX_PERCENT)]
pub struct BadAttemptPercent(String);

impl AttemptTimeout {
    /// The largest percentage.
    pub const MAX_PERCENT: u32 = 100_000;

    pub(crate) const FIVE_MINUTES: Self = Self::Plain(Timeout::FIVE_MINUTES);

    /// The limit while no median is known.
    pub fn at_first(self) -> Duration {
        match self {
            Self::Plain(limit) => limit.get(),
            Self::OfMedian(_) => Timeout::FIVE_MINUTES.get(),
        }
    }

    /// The percentage of the median, if it is one.
    pub fn percent(self) -> Option<NonZeroU32> {
        match self {
            Self::Plain(_) => None,
            Self::OfMedian(percent) => Some(percent),
        }
    }

    fn of_percent(digits: &str) -> Result<Self, BadAttemptPercent> {
        let percent = digits.trim().parse().ok().filter(|percent| (101..=Self::MAX_PERCENT).contains(percent));
        percent.and_then(NonZeroU32::new).map(Self::OfMedian).ok_or_else(|| BadAttemptPercent(format!("{digits}%")))
    }
}

impl fmt::Display for AttemptTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(limit) => limit.fmt(f),
            Self::OfMedian(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for AttemptTimeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AttemptTimeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match value.as_str().and_then(|text| text.strip_suffix('%')) {
            Some(digits) => Self::of_percent(digits).map_err(de::Error::custom),
            None => Timeout::deserialize(value).map(Self::Plain).map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for AttemptTimeout {
    fn schema_name() -> Cow<'static, str> {
        "AttemptTimeout".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration with a unit, or a percentage of the median of the attempts that succeeded.",
            "examples": ["30s", "5m", "300%"],
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
    fn times_and_percentages_read_back_as_they_are_written() {
        for text in ["30s", "5m", "300%", "101%", "100000%"] {
            let timeout: AttemptTimeout = from_value(json!(text)).unwrap();
            assert_eq!(serde_json::to_value(timeout).unwrap(), text);
        }
        assert_eq!(from_value::<AttemptTimeout>(json!("300%")).unwrap().at_first(), Duration::from_secs(300));
    }

    #[test]
    fn what_is_no_limit_is_refused_with_what_is() {
        let message = |value| from_value::<AttemptTimeout>(value).unwrap_err().to_string();
        for bad in ["100%", "0%", "-5%", "many%", "%", "100001%", "1.5%"] {
            assert_eq!(
                message(json!(bad)),
                format!("a percentage of the median must be from 101% to 100000%, found {bad}")
            );
        }
        assert_eq!(message(json!("0s")), "a timeout must be longer than 0s");
        assert_eq!(message(json!(5)), "a duration needs a unit, for example \"5s\"");
    }
}
