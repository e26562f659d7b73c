//! Values as JSON text, counted while it is written.

use jaq_json::{Num, Val};

use crate::convert;

/// A value as compact JSON; `None` when the run is over its limits. Numbers that JSON has not are `null`, as in jq.
pub(crate) fn json(val: &Val) -> Option<String> {
    let mut text = String::new();
    append(val, &mut text).then_some(text)
}

fn append(val: &Val, text: &mut String) -> bool {
    if !crate::meter::steps(1) {
        return false;
    }
    match val {
        Val::Arr(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                if !append(item, text) {
                    return false;
                }
            }
            text.push(']');
        }
        Val::Obj(map) => {
            text.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                quote(key, text);
                text.push(':');
                if !append(item, text) {
                    return false;
                }
            }
            text.push('}');
        }
        Val::TStr(bytes) | Val::BStr(bytes) => {
            // Twice: here and in the value that the text becomes.
            if !crate::meter::bytes(bytes.len()) {
                return false;
            }
            quote(val, text);
        }
        Val::Num(Num::BigInt(whole)) => text.push_str(&whole.to_string()),
        Val::Num(Num::Dec(decimal)) => text.push_str(decimal),
        scalar => match convert::json(scalar) {
            Ok(json) => text.push_str(&json.to_string()),
            Err(_) => text.push_str("null"),
        },
    }
    true
}

fn quote(val: &Val, text: &mut String) {
    let bytes = jaq_std::ValT::as_bytes(val).unwrap_or_default();
    text.push_str(&serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string());
}

/// How many bytes of a value a message shows.
const SHOWN: usize = 120;

/// The beginning of a value as JSON, for messages. Looks at no more of it than it shows.
pub(crate) fn brief(val: &Val) -> String {
    let mut text = String::new();
    begin(val, &mut text);
    if text.len() > SHOWN {
        let cut = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn begin(val: &Val, text: &mut String) {
    match val {
        _ if text.len() > SHOWN => {}
        Val::Arr(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate().take(SHOWN) {
                text.push_str(if index > 0 { "," } else { "" });
                begin(item, text);
            }
            text.push(']');
        }
        Val::Obj(map) => {
            text.push('{');
            for (index, (key, item)) in map.iter().enumerate().take(SHOWN) {
                text.push_str(if index > 0 { "," } else { "" });
                begin(key, text);
                text.push(':');
                begin(item, text);
            }
            text.push('}');
        }
        Val::TStr(bytes) | Val::BStr(bytes) => {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2 * SHOWN)]);
            text.push_str(&serde_json::Value::from(shown).to_string());
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
