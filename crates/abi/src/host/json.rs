//! Values as JSON text, for results, whose outputs are mostly long texts.

use serde_json::Value;

/// Appends `value` as `serde_json` writes it. Most texts have nothing to escape, and are looked at eight bytes at a time and
/// copied at once, where `serde_json` looks at each byte: whoever writes to a sink waits for this.
pub(super) fn append(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => append_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                append(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (place, (key, value)) in fields.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                append_text(out, key);
                out.push(b':');
                append(out, value);
            }
            out.push(b'}');
        }
        other => append_other(out, other),
    }
}

fn append_text(out: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        append_other(out, text);
    }
}

fn append_other(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    // Writing to memory does not fail, and these have no keys but texts.
    let _ = serde_json::to_writer(out, value);
}

/// Whether a text stands in JSON as it is: without control characters, quotes and backslashes.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().all(|word| !has_special(u64::from_ne_bytes(*word)))
        && rest.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\'))
}

const LOWS: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Whether one of eight bytes is special. A byte below `n` borrows from its own top bit when `n` is taken from it, and only
/// bytes that had that bit clear count; what a borrow spills into the next byte can only be a second alarm beside a true one.
fn has_special(word: u64) -> bool {
    let below = |word: u64, n: u8| word.wrapping_sub(LOWS * u64::from(n)) & !word & HIGHS;
    let quote = word ^ (LOWS * u64::from(b'"'));
    let backslash = word ^ (LOWS * u64::from(b'\\'));
    (below(word, b' ') | below(quote, 1) | below(backslash, 1)) != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn appended(value: &Value) -> String {
        let mut out = Vec::new();
        append(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_at_every_place_is_escaped_as_serde_json_does_it() {
        for special in (0..=0x9F).chain([0xFF, 0x100, 0x2028, 0x1F600]).filter_map(char::from_u32) {
            for before in 0..17 {
                let text = format!("{}{special}{}", "a".repeat(before), "\u{e9}b".repeat(5));
                assert_eq!(appended(&json!(text)), json!(text).to_string());
            }
        }
    }

    #[test]
    fn values_are_written_as_serde_json_does_it() {
        for value in [
            json!(null),
            json!({}),
            json!([]),
            json!([1, -2, 3.5, 1e300, true, null, "x", {"a": [{}], "\n": {"b\"": "\\"}}]),
            json!({"text": "x".repeat(200), "n": u64::MAX}),
        ] {
            assert_eq!(appended(&value), value.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_json_does_it(text in any::<String>()) {
            prop_assert_eq!(appended(&json!(text)), json!(text).to_string());
        }
    }
}
