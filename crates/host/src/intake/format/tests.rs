//! Formats against what others read, and whatever is thrown at them.

use std::io::BufReader;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Columns, PlainLines, csv, json_array};
use crate::intake::record::{Broken, Record, Records, Text};

const LIMIT: usize = 10_000;

/// Every record, and how it ended.
fn all(records: &mut impl Records) -> (Vec<Value>, Result<(), String>) {
    let mut found = Vec::new();
    loop {
        match records.next() {
            Ok(Some(record)) => found.push(told(&record)),
            Ok(None) => return (found, Ok(())),
            Err(Broken::Flaws(flaws)) => return (found, Err(flaws[0].message.clone())),
            Err(Broken::Unreadable(error)) => panic!("{error}"),
        }
    }
}

/// Its JSON; a text, if it has none.
fn told(record: &Record<'_>) -> Value {
    match &record.text {
        Text::Same(bytes) | Text::Made(bytes) => serde_json::from_slice(bytes).expect("JSON is made, or was there"),
        Text::Bad(flaws) => flaws[0].message.clone().into(),
        Text::Cut(flaw) => flaw.message.clone().into(),
    }
}

/// Reads a few bytes at a time, so that nothing rests on where a buffer ends.
fn reader(bytes: &[u8]) -> BufReader<&[u8]> {
    BufReader::with_capacity(3, bytes)
}

fn read_csv(bytes: &[u8]) -> (Vec<Value>, Result<(), String>) {
    all(&mut csv(reader(bytes), Columns::default(), LIMIT).unwrap())
}

/// What the `csv` crate reads: the same file by the one that takes everything.
fn read_by_crate(bytes: &[u8]) -> Vec<Value> {
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let names = reader.headers().unwrap().clone();
    let input = |record: ::csv::StringRecord| {
        let pairs = names.iter().zip(record.iter()).map(|(name, text)| (name.to_owned(), text.into()));
        json!({"input": Value::Object(pairs.collect())})
    };
    reader.records().map(|record| input(record.unwrap())).collect()
}

fn field() -> impl Strategy<Value = String> {
    "[a,;\"\n\r\t é]{0,5}"
}

proptest! {
    #[test]
    fn csv_that_the_csv_crate_writes_is_read_as_it_was(
        rows in prop::collection::vec(prop::collection::vec(field(), 3), 0..6),
        crlf in any::<bool>(),
        always in any::<bool>(),
    ) {
        let terminator = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
        let style = if always { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let mut writer = ::csv::WriterBuilder::new().terminator(terminator).quote_style(style).from_writer(Vec::new());
        writer.write_record(["x", "y, z", "\"w\""]).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let expected: Vec<_> = rows
            .iter()
            .map(|row| json!({"input": {"x": row[0], "y, z": row[1], "\"w\"": row[2]}}))
            .collect();
        prop_assert_eq!(read_csv(&writer.into_inner().unwrap()), (expected, Ok(())));
    }

    /// Whatever is not refused means what everybody takes it to mean.
    #[test]
    fn csv_is_refused_or_read_as_by_the_csv_crate(text in "[a,\"\n\r é]{0,30}") {
        let text = format!("x,y\n{text}");
        let (found, end) = read_csv(text.as_bytes());
        if end.is_ok() && found.iter().all(Value::is_object) {
            prop_assert_eq!(found, read_by_crate(text.as_bytes()));
        }
    }

    #[test]
    fn a_list_is_read_element_by_element(
        texts in prop::collection::vec("[a\\\\\"\\[\\]{},:é\n]{0,6}", 0..6),
        pretty in any::<bool>(),
    ) {
        let jobs: Vec<_> = texts.iter().map(|text| json!({(text.as_str()): [text, {"n": [1]}]})).collect();
        let written = if pretty { serde_json::to_vec_pretty(&jobs) } else { serde_json::to_vec(&jobs) }.unwrap();
        prop_assert_eq!(all(&mut json_array(reader(&written), LIMIT).unwrap()), (jobs, Ok(())));
    }

    #[test]
    fn a_list_that_is_cut_anywhere_is_never_taken_for_whole(
        texts in prop::collection::vec("[a\"\\]]{0,3}", 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let jobs: Vec<_> = texts.iter().map(|text| json!({"t": text})).collect();
        let written = serde_json::to_vec(&jobs).unwrap();
        let cut = cut.index(written.len());
        let (found, end) = all(&mut json_array(reader(&written[..cut]), LIMIT).unwrap());
        prop_assert!(end.is_err());
        prop_assert!(found.len() <= jobs.len() && jobs.starts_with(&found), "what was whole is what was written");
    }

    /// No bytes make a reader panic, or loop.
    #[test]
    fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let list = [b"[".as_slice(), &bytes].concat();
        all_but_json(&mut json_array(reader(&list), 20).unwrap());
        all_but_json(&mut csv(reader(&bytes), Columns::default(), 20).unwrap());
        all_but_json(&mut PlainLines::new(reader(&bytes), 20));
    }
}

/// An element of a list may be anything here.
fn all_but_json(records: &mut impl Records) {
    while let Ok(Some(_)) = records.next() {}
}

#[test]
fn a_mark_of_byte_order_is_none_in_the_middle() {
    assert_eq!(read_csv("\u{feff}\"a\"\n\u{feff}1\n".as_bytes()).0, [json!({"input": {"a": "\u{feff}1"}})]);
    // What begins like one is a letter.
    assert_eq!(read_csv("ａ\n1\n".as_bytes()).0, [json!({"input": {"ａ": "1"}})]);
    assert_eq!(read_csv(b"\xef\n1\n").1, Err("not UTF-8: byte 0xEF at byte 1 of the field".to_owned()));
}

#[test]
fn a_record_over_the_limit_costs_no_more_memory_than_the_limit() {
    let long = format!("x\n\"{}\"\n{}\n1\n", "a\n".repeat(100_000), ",".repeat(100_000));
    let mut records = csv(reader(long.as_bytes()), Columns::default(), 100).unwrap();
    let (found, end) = all(&mut records);
    assert_eq!(found[0], "the record has 200002 bytes, at most 100 are allowed; --max-line raises it");
    assert_eq!(found[1], "the record has 100000 bytes, at most 100 are allowed; --max-line raises it");
    assert_eq!((&found[2], end), (&json!({"input": {"x": "1"}}), Ok(())));
    assert!(records.kept() < 10_000, "{}", records.kept());
}
