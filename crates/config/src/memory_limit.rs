//! How much memory the host and its children may use together.

use std::{borrow::Cow, fmt};

use batchmill_plugin::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Percent;

/// A number of bytes, or a part of what there is: the smallest limit of a cgroup, or the memory of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// So many bytes; not 0.
    Bytes(u64),
    /// All there is.
    Auto,
    /// A part of what there is.
    Percent(Percent<100>),
}

impl MemoryLimit {
    /// Bytes, where there are `capacity`.
    pub fn of(self, capacity: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Auto => capacity,
            Self::Percent(percent) => {
                let part = u128::from(capacity) * u128::from(percent.get()) / 100;
                u64::try_from(part).unwrap_or(capacity).max(1)
            }
        }
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => ByteSize(*bytes).fmt(f),
            Self::Auto => f.write_str("auto"),
            Self::Percent(percent) => percent.fmt(f),
        }
    }
}

impl Serialize for MemoryLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MemoryLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MemoryLimit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"512MiB\", a percentage of the memory such as \"75%\", or \"auto\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<MemoryLimit, E> {
                match text {
                    "auto" => Ok(MemoryLimit::Auto),
                    _ if text.ends_with('%') => text.parse().map(MemoryLimit::Percent).map_err(E::custom),
                    _ => text.parse::<ByteSize>().map_err(E::custom).and_then(|size| self.visit_u64(size.0)),
                }
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<MemoryLimit, E> {
                if bytes == 0 { Err(E::custom("a limit of no memory")) } else { Ok(MemoryLimit::Bytes(bytes)) }
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<MemoryLimit, E> {
                let bytes =
                    u64::try_from(bytes).map_err(|_| E::custom(format!("a size is not negative, found {bytes}")));
                bytes.and_then(|bytes| self.visit_u64(bytes))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for MemoryLimit {
    fn schema_name() -> Cow<'static, str> {
        "MemoryLimit".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "minimum": 1, "examples": ["512MiB", "75%", "auto"]})
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
    fn every_form_reads_back_as_it_is_written_and_is_a_number_of_bytes() {
        for (value, bytes) in [(json!("512MiB"), 512 << 20), (json!("auto"), 1000), (json!("75%"), 750)] {
            let limit: MemoryLimit = from_value(value.clone()).unwrap();
            assert_eq!((serde_json::to_value(limit).unwrap(), limit.of(1000)), (value, bytes));
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for bad in [json!(0), json!("0"), json!(-1), json!("0%"), json!("200%"), json!("much"), json!(1.5)] {
            assert!(from_value::<MemoryLimit>(bad.clone()).is_err(), "{bad}");
        }
    }
}
