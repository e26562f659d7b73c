//! Expressions as files have them: texts. In YAML the braces of one make a map of it unless it stands in quotes, and no slip is met
//! sooner; these say so. For `#[serde(deserialize_with)]`.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, Visitor},
};

struct Expression;

impl Visitor<'_> for Expression {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("jq in quotes, such as '{done: true}'")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A text of jq.
pub fn expression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(Expression)
}

/// A text of jq that may be absent or null.
pub fn optional_expression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Optional;

    impl<'de> Visitor<'de> for Optional {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Expression.expecting(f)
        }

        fn visit_none<E: de::Error>(self) -> Result<Option<String>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
            expression(deserializer).map(Some)
        }
    }
    deserializer.deserialize_option(Optional)
}
