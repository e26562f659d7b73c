//! JSON, read strictly: a repeated key or a deep nesting is a mistake, not a surprise.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, map::Entry, value::RawValue};

/// How deep objects and lists may nest. Readers of results stop at 128 (serde_json, jq at 256 and more), and a record
/// wraps the input in some levels of its own.
pub(crate) const MAX_DEPTH: usize = 100;

/// Something wrong in a text, at a byte offset where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) offset: Option<usize>,
    pub(crate) message: String,
}

impl Mistake {
    pub(crate) fn at(offset: usize, message: impl Into<String>) -> Self {
        Self { offset: Some(offset), message: message.into() }
    }

    /// The same in a text that starts `offset` bytes earlier.
    pub(crate) fn shifted(mut self, offset: usize) -> Self {
        self.offset = self.offset.map(|own| own + offset);
        self
    }

    fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = text.strip_suffix(&place).unwrap_or(&text);
        let message = if error.is_data() { message.to_owned() } else { format!("not JSON: {}", in_words(message)) };
        Self::at(error.column().saturating_sub(1), message)
    }
}

/// What the parser says in its own terms, as a person would.
fn in_words(message: &str) -> &str {
    match message {
        "expected value" => "expected a value here; a text stands in double quotes",
        "expected ident" => "a word that is none of true, false and null",
        "key must be a string" => "a name must stand in double quotes",
        "trailing comma" => "a comma with nothing behind it",
        "trailing characters" => "there is something after the end of the value",
        "EOF while parsing an object" => "it ends inside an object: a `}` is missing",
        "EOF while parsing a list" => "it ends inside a list: a `]` is missing",
        "EOF while parsing a string" => "it ends inside a text: a `\"` is missing",
        "EOF while parsing a value" => "it ends where a value is expected",
        "invalid escape" => "a `\\` that begins no escape; write `\\\\` for the character",
        r"control character (\u0000-\u001F) found while parsing a string" => {
            r"a control character inside a text; write it as an escape such as \t or \n"
        }
        other => other,
    }
}

/// Reads one value that fills `text` (which has one line).
pub(crate) fn parse(text: &str) -> Result<Value, Mistake> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Mistake::of(&error))
}

/// A member of an object: its value is not read yet, and both know where they are.
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: &'a str,
    /// Where the name starts; where its value does if the name was written with escapes.
    pub(crate) name_offset: usize,
    pub(crate) value_offset: usize,
}

/// Reads the members of the object that fills `text`, without looking into their values.
pub(crate) fn members(text: &str) -> Result<Vec<Member<'_>>, Mistake> {
    let Members(pairs) = serde_json::from_str(text).map_err(|error| Mistake::of(&error))?;
    let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let members = pairs.into_iter().map(|(name, value)| {
        let value_offset = offset(value.get());
        let name_offset = match &name {
            Cow::Borrowed(name) => offset(name) - 1,
            Cow::Owned(_) => value_offset,
        };
        Member { name, value: value.get(), name_offset, value_offset }
    });
    Ok(members.collect())
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(4);
                while let Some(Name(name)) = map.next_key()? {
                    pairs.push((name, map.next_value()?));
                }
                Ok(Members(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// serde reads a `Cow` as an owned text; this one borrows where the text has no escapes, so that it knows its place.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Reads a [`Value`] as serde_json does, but refuses what serde_json lets pass.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(place) => drop(place.insert(map.next_value_seed(inner)?)),
                Entry::Occupied(place) => return Err(de::Error::custom(duplicate_key(place.key()))),
            }
        }
        Ok(Value::Object(object))
    }
}

/// Readers disagree which of two equal keys counts, so neither does.
pub(crate) fn duplicate_key(name: &str) -> String {
    format!("duplicate key `{name}`")
}

/// What a value is, in words.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> (Option<usize>, String) {
        let mistake = parse(text).unwrap_err();
        (mistake.offset, mistake.message)
    }

    #[test]
    fn good_json_reads_as_it_is() {
        let text = r#"{"b":[1,-2,3.5,"é\n",null,true,{"z":1,"a":{}}]}"#;
        assert_eq!(parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        assert_eq!(mistake(r#"{"a":1,"a":2}"#), (Some(9), "duplicate key `a`".into()));
        assert_eq!(mistake(r#"{"x":{"a":1,"a":2}}"#).1, "duplicate key `a`");
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(mistake(&deep(MAX_DEPTH + 1)).1, "nested deeper than 100 levels");
        assert_eq!(mistake(&deep(100_000)).1, "nested deeper than 100 levels");
    }

    #[test]
    fn syntax_mistakes_have_their_byte() {
        assert_eq!(mistake(r#"{"a":tru}"#), (Some(8), "not JSON: a word that is none of true, false and null".into()));
        assert_eq!(mistake("{} x"), (Some(3), "not JSON: there is something after the end of the value".into()));
        assert_eq!(mistake("{").1, "not JSON: it ends inside an object: a `}` is missing");
    }

    #[test]
    fn members_know_their_place() {
        let members = members(r#" {"id": "x", "\u0069nput" :{"a":[1]} }"#).unwrap();
        let seen: Vec<_> = members.iter().map(|m| (m.name.as_ref(), m.value, m.name_offset, m.value_offset)).collect();
        assert_eq!(seen, [("id", "\"x\"", 2, 8), ("input", "{\"a\":[1]}", 27, 27)]);
    }
}
