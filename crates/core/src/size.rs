//! Numbers of bytes as people write them: `512MiB`, `64KiB`, `1GB`, `4096`.

/// Why a text is not a number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a size; write bytes or a number with KB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024)"
)]
pub struct BadSize(String);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// Reads a number of bytes, with or without a unit.
///
/// ```
/// use batchmill_core::parse_size;
///
/// assert_eq!(parse_size("64KiB").unwrap(), 65_536);
/// assert_eq!(parse_size("1 MB").unwrap(), 1_000_000);
/// assert!(parse_size("1.5MiB").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64, BadSize> {
    let bad = || BadSize(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &trimmed[digits.len()..] {
        "" => 1,
        suffix => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(suffix)).ok_or_else(bad)?.1,
    };
    let number: u64 = digits.trim().parse().map_err(|_| bad())?;
    number.checked_mul(unit).ok_or_else(bad)
}

/// A number of bytes in the largest unit that it is a whole number of; reads back as the same number.
pub fn format_size(bytes: u64) -> String {
    match UNITS.iter().take(4).find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// About how many bytes, for people: `310.2 MiB`. Not meant to be read back.
pub fn about_size(bytes: u64) -> String {
    match UNITS.iter().take(4).find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            if tenths.is_multiple_of(10) {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            }
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people_are_cut_to_a_tenth() {
        let texts = [0, 1023, 1024, 1_600_000, 1 << 30, (1 << 30) + (1 << 29)].map(about_size);
        assert_eq!(texts, ["0 B", "1023 B", "1 KiB", "1.5 MiB", "1 GiB", "1.5 GiB"]);
    }
}
