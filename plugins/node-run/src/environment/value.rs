//! The value of a declared variable, as it is written.

use std::{borrow::Cow, fmt, path::PathBuf};

use batchmill_plugin::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, value::MapAccessDeserializer},
};

use super::Secret;
use crate::argv::TextVisitor;

/// A text with expressions, or where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EnvValue {
    Text(String),
    Secret(Secret),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = EnvValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, {env: NAME} or {file: PATH}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue::Text(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<EnvValue, E> {
                TextVisitor.visit_i64(number).map(|text| EnvValue::Text(text.0))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<EnvValue, E> {
                TextVisitor.visit_u64(number).map(|text| EnvValue::Text(text.0))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<EnvValue, E> {
                TextVisitor.visit_f64(number).map(|text| EnvValue::Text(text.0))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvValue, A::Error> {
                match Reference::deserialize(MapAccessDeserializer::new(map))? {
                    Reference { env: Some(name), file: None } => Ok(EnvValue::Secret(Secret::Variable(name))),
                    Reference { env: None, file: Some(path) } => Ok(EnvValue::Secret(Secret::File(path))),
                    _ => Err(de::Error::custom("a secret has one source: {env: NAME} or {file: PATH}")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for EnvValue {
    fn schema_name() -> Cow<'static, str> {
        "EnvValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": ["string", "number"], "description": "A text with `${ jq }` expressions."},
                {
                    "type": "object",
                    "description": "A secret: the value of a variable of the host, or the content of a file.",
                    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}
