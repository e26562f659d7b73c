//! What serde says of a wrong value, in words of people who write config.

/// Types of numbers as serde names them, and what they mean.
const NUMBERS: [(&str, &str); 11] = [
    ("a nonzero u32", "a whole number from 1 to 4294967295"),
    ("a nonzero u64", "a whole number from 1 on"),
    ("a nonzero usize", "a whole number from 1 on"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0 on"),
    ("usize", "a whole number from 0 on"),
    ("i32", "a whole number from -2147483648 to 2147483647"),
    ("i64", "a whole number"),
    ("f64", "a number"),
];

/// The message of a serde error, without names of Rust's types.
pub fn in_words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    match NUMBERS.iter().find(|(name, _)| *name == expected) {
        Some((_, words)) => format!("{found}, expected {words}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    fn said<T: for<'de> Deserialize<'de>>(value: &Value) -> String {
        in_words(&T::deserialize(value).err().expect("a wrong value").to_string())
    }

    #[test]
    fn no_type_of_rust_is_named() {
        let from_one = "expected a whole number from 1 to 4294967295";
        assert_eq!(said::<NonZeroU32>(&json!(0)), format!("invalid value: integer `0`, {from_one}"));
        assert_eq!(said::<u64>(&json!(-1)), "invalid value: integer `-1`, expected a whole number from 0 on");
        assert_eq!(said::<u8>(&json!(300)), "invalid value: integer `300`, expected a whole number from 0 to 255");
        assert_eq!(said::<f64>(&json!("3")), "invalid type: string \"3\", expected a number");
        assert_eq!(said::<bool>(&json!("3")), "invalid type: string \"3\", expected a boolean");
        assert_eq!(in_words("missing field `a`"), "missing field `a`");
    }
}
