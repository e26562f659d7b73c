//! The value of `run`: what is executed.

use std::{borrow::Cow, fmt};

use batchmill_plugin::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess},
};

/// A program with its arguments, or a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argv {
    /// The name of the program, then its arguments.
    List(Vec<Text>),
    /// For a shell.
    Script(String),
}

impl Default for Argv {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// A text; a number stands for its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

pub(crate) struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text, E> {
        // Programs of these names are what it is met with first.
        Err(E::custom(format!("`{value}` is a boolean, not a text; write \"{value}\"")))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Text, E> {
        // The way JSON writes it.
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("this is not a number"))?;
        Ok(Text(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Argv;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list with a program and its arguments, such as [sha256sum, \"${ .path }\"]")
            }

            fn visit_str<E: de::Error>(self, script: &str) -> Result<Argv, E> {
                Ok(Argv::Script(script.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Argv, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Argv::List(list))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Argv {
    fn schema_name() -> Cow<'static, str> {
        "Argv".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
                {"type": "string"},
            ],
            "examples": [["sha256sum", "${ .path }"]],
        })
    }

    fn inline_schema() -> bool {
        true
    }
}
