//! Parts of a whole: `80%`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A whole number of percent, written with its sign, from 1% to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent<const MAX: u32>(u32);

/// Why a text is no percentage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no percentage; write a whole number from 1% to {max}%")]
pub struct BadPercent {
    text: String,
    max: u32,
}

impl<const MAX: u32> Percent<MAX> {
    pub(crate) const fn of(percent: u32) -> Self {
        assert!(percent >= 1 && percent <= MAX);
        Self(percent)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MAX: u32> FromStr for Percent<MAX> {
    type Err = BadPercent;
    fn from_str(text: &str) -> Result<Self, BadPercent> {
        let number = text.strip_suffix('%').and_then(|digits| digits.parse().ok());
        let number = number.filter(|number| (1..=MAX).contains(number));
        number.map(Self).ok_or_else(|| BadPercent { text: text.to_owned(), max: MAX })
    }
}

impl<const MAX: u32> fmt::Display for Percent<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl<const MAX: u32> Serialize for Percent<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const MAX: u32> Deserialize<'de> for Percent<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Cow<'_, str>>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<const MAX: u32> JsonSchema for Percent<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Percent{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[1-9][0-9]*%$", "examples": ["80%"]})
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_percentages_within_bounds() {
        assert_eq!("80%".parse::<Percent<100>>().unwrap().get(), 80);
        for bad in ["80", "0%", "101%", "-1%", "1.5%", "%", ""] {
            let message = bad.parse::<Percent<100>>().unwrap_err().to_string();
            assert_eq!(message, format!("`{bad}` is no percentage; write a whole number from 1% to 100%"));
        }
    }
}
