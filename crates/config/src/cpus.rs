//! A number of CPUs: `1.5`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A number of CPUs from 0.01, the smallest quota of the kernel, to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Cpus(f64);

const LEAST: f64 = 0.01;
const MOST: f64 = 10_000.0;

impl Cpus {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(Number)
    }
}

struct Number;

impl de::Visitor<'_> for Number {
    type Value = Cpus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of CPUs, such as 1.5")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Cpus, E> {
        // NaN is in no range.
        let is_known = (LEAST..=MOST).contains(&number);
        let wrong = || E::custom(format!("{number} is out of range; write a number of CPUs from {LEAST} to {MOST}"));
        if is_known { Ok(Cpus(number)) } else { Err(wrong()) }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cpus, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cpus, E> {
        self.visit_f64(number as f64)
    }
}

impl JsonSchema for Cpus {
    fn schema_name() -> Cow<'static, str> {
        "Cpus".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": LEAST, "maximum": MOST, "examples": [1.5]})
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<f64, String> {
        let table: toml::Table = format!("cpus = {text}").parse().unwrap();
        table["cpus"].clone().try_into::<Cpus>().map(Cpus::get).map_err(|error| error.to_string())
    }

    #[test]
    fn whole_ones_and_parts_of_one() {
        assert_eq!((read("2"), read("1.5"), read("0.01")), (Ok(2.0), Ok(1.5), Ok(0.01)));
    }

    #[test]
    fn no_time_at_all_and_what_is_no_number_are_refused() {
        for bad in ["0", "-1", "0.001", "nan", "inf", "10001"] {
            let message = read(bad).unwrap_err();
            assert!(message.contains("is out of range; write a number of CPUs from 0.01 to 10000"), "{bad}: {message}");
        }
        for bad in ["'150%'", "true", "[]"] {
            let message = read(bad).unwrap_err();
            assert!(message.contains("expected a number of CPUs, such as 1.5"), "{bad}: {message}");
        }
    }
}
