//! A table as plain text.

/// Lays out rows under their heading: the first column to the left, numbers to the right.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> =
        (0..heading.len()).map(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    all().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::from(" ");
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        line += &if index == 0 { format!(" {cell:<width$}") } else { format!("  {cell:>width$}") };
    }
    line + "\n"
}

/// A number with a comma before every three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["MIT".to_owned(), "1,000".to_owned()], vec!["Zlib OR ISC".to_owned(), "7".to_owned()]];
        assert_eq!(
            table(&["licence", "n"], &rows),
            "  licence          n\n  MIT          1,000\n  Zlib OR ISC      7\n"
        );
    }

    #[test]
    fn digits_are_in_groups_of_three() {
        let texts = [0, 999, 1000, 65_536, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "65,536", "1,234,567"]);
    }
}
