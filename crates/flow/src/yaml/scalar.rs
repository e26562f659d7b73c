//! What an unquoted word means.

use super::LocatedValue;

/// Reads a plain scalar; `Err` says why it cannot stay as it is.
pub(super) fn plain(text: &str) -> Result<LocatedValue, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => LocatedValue::Null,
        "true" => LocatedValue::Bool(true),
        "false" => LocatedValue::Bool(false),
        _ if is_integer(text) => integer(text)?,
        _ if is_float(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => LocatedValue::Float(number),
            _ => return Err(format!("the number {text} is too large; quote it to make it text")),
        },
        // Also `.inf` and `.nan`: JSON has no such numbers, and jq means a key of the state.
        _ => LocatedValue::Str(text.to_owned()),
    })
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number that people would not read as one has a zero in front: `0755`, `007`.
fn leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

fn is_integer(text: &str) -> bool {
    let digits = unsigned(text);
    let based = |prefix: &str, radix| {
        text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    (all_digits(digits) && !leading_zero(digits)) || based("0x", 16) || based("0o", 8)
}

fn integer(text: &str) -> Result<LocatedValue, String> {
    let signed = text
        .strip_prefix("0x")
        .map(|hex| u64::from_str_radix(hex, 16))
        .or_else(|| text.strip_prefix("0o").map(|octal| u64::from_str_radix(octal, 8)));
    let value = match signed {
        Some(number) => number.ok().map(LocatedValue::UInt),
        None => {
            let text = text.strip_prefix('+').unwrap_or(text);
            let small = text.parse::<i64>().map(LocatedValue::Int);
            small.ok().or_else(|| text.parse::<u64>().ok().map(LocatedValue::UInt))
        }
    };
    match value {
        Some(LocatedValue::UInt(number)) => {
            Ok(i64::try_from(number).map_or(LocatedValue::UInt(number), LocatedValue::Int))
        }
        Some(value) => Ok(value),
        None => Err(format!("the number {text} does not fit into 64 bits; quote it to make it text")),
    }
}

fn is_float(text: &str) -> bool {
    let number = unsigned(text);
    let (mantissa, exponent) = number.split_once(['e', 'E']).map_or((number, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let digits_or_none = |part: &str| part.is_empty() || all_digits(part);
    // `.5` is jq for nothing sensible and a number for YAML; it needs a digit on one side.
    let has_digits = all_digits(whole) || fraction.is_some_and(all_digits);
    has_digits
        && (fraction.is_some() || exponent.is_some())
        && digits_or_none(whole)
        && !leading_zero(whole)
        && fraction.is_none_or(digits_or_none)
        && exponent.is_none_or(|exponent| all_digits(unsigned(exponent)))
}
