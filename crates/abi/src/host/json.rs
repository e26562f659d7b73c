//! Values as JSON text, for results, whose outputs are mostly long texts.

use serde_json::Value;

/// Appends `value` as `serde_json` writes it. Most texts have nothing to escape, and are looked at many bytes at a time and
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
    let (blocks, rest) = bytes.as_chunks::<32>();
    blocks.iter().all(is_plain_block) && rest.iter().all(|byte| is_plain_byte(*byte))
}

/// Without a way out in between: so the compiler looks at many bytes at once.
fn is_plain_block(block: &[u8; 32]) -> bool {
    block.iter().fold(true, |plain, byte| plain & is_plain_byte(*byte))
}

fn is_plain_byte(byte: u8) -> bool {
    (byte >= b' ') & (byte != b'"') & (byte != b'\\')
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
            for before in 0..70 {
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
