//! One line of CSV, quoted as RFC 4180 has it.

use serde_json::Value;

/// A row that is being written at the end of a text.
///
/// Null is nothing, the empty text is `""`, so that they can be told apart. A value with a delimiter, a quote or the end of a
/// line in it stands in quotes, with its own quotes doubled; every other value stands as it is.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    out: &'a mut String,
    delimiter: char,
    line_end: &'static str,
    begin: usize,
    values: usize,
}

impl<'a> Row<'a> {
    pub(crate) fn new(out: &'a mut String, delimiter: char, line_end: &'static str) -> Self {
        let begin = out.len();
        Self { out, delimiter, line_end, begin, values: 0 }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.next();
        let delimiter = self.delimiter;
        let special = |c: char| c == delimiter || matches!(c, '"' | '\r' | '\n');
        if !text.is_empty() && !text.contains(special) {
            return self.out.push_str(text);
        }
        self.out.push('"');
        for (place, part) in text.split('"').enumerate() {
            if place > 0 {
                self.out.push_str("\"\"");
            }
            self.out.push_str(part);
        }
        self.out.push('"');
    }

    /// A number, or what looks as harmless.
    pub(crate) fn number(&mut self, number: impl std::fmt::Display) {
        let text = number.to_string();
        self.text(&text);
    }

    pub(crate) fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.next(),
        }
    }

    /// A text as it is, null as nothing, lists and objects as JSON.
    pub(crate) fn json(&mut self, value: &Value) {
        match value {
            Value::Null => self.next(),
            Value::String(text) => self.text(text),
            other => self.number(other),
        }
    }

    pub(crate) fn end(self) {
        // A line without anything in it is no row for most readers.
        if self.out.len() == self.begin {
            self.out.push_str("\"\"");
        }
        self.out.push_str(self.line_end);
    }

    fn next(&mut self) {
        if self.values > 0 {
            self.out.push(self.delimiter);
        }
        self.values += 1;
    }
}

/// The line that names the columns.
pub(crate) fn header<'n>(names: impl Iterator<Item = &'n str>, delimiter: char, line_end: &'static str) -> String {
    let mut line = String::new();
    let mut row = Row::new(&mut line, delimiter, line_end);
    names.for_each(|name| row.text(name));
    row.end();
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn line(values: &[Value]) -> String {
        let mut out = String::new();
        let mut row = Row::new(&mut out, ',', "\r\n");
        values.iter().for_each(|value| row.json(value));
        row.end();
        out
    }

    #[test]
    fn only_what_needs_quotes_has_them() {
        for (values, expected) in [
            (vec![json!("plain"), json!(" with spaces "), json!("ünï'cødé\t")], "plain, with spaces ,ünï'cødé\t\r\n"),
            (
                vec![json!("a,b"), json!("say \"hi\""), json!("two\nlines"), json!("\r")],
                "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"\r\"\r\n",
            ),
            (vec![json!(null), json!(""), json!(null)], ",\"\",\r\n"),
            (vec![json!(null)], "\"\"\r\n"),
            (vec![json!(1.5), json!(-7), json!(true), json!([1, "x"])], "1.5,-7,true,\"[1,\"\"x\"\"]\"\r\n"),
        ] {
            assert_eq!(line(&values), expected);
        }
    }

    proptest! {
        #[test]
        fn a_reader_of_csv_gets_the_same_values(rows in prop::collection::vec(prop::collection::vec("[a-c ,;\"\r\n\\\\é]{0,6}", 3), 1..20)) {
            let text: String = rows.iter().map(|row| line(&row.iter().map(|v| json!(v)).collect::<Vec<_>>())).collect();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let read: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
