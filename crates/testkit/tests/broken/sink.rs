//! A sink that keeps records in memory, right or with one flaw.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, Resumed, SinkError};
use batchmill_testkit::sink::{Subject, cases, run};
use serde_json::{Value, json};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    WritesAFooter,
    WritesEmptyCalls,
    ForgetsAttempts,
    StoresOnCloseOnly,
    StoresOnFlushOnly,
    StoresTwiceOnFlush,
    Sorts,
    StripsLineBreaks,
    CutsLongText,
    ForgetsTheBatch,
    KnowsItsThread,
    HasNoMarks,
    MarksEverything,
    KeepsWhatCameAfter,
    SaysItIsBehindTheMark,
    TakesTheFirstMarkForNone,
    KeepsAllWithoutAMark,
    ForgetsAfterASecondResume,
    ForgetsWithoutMarks,
}

#[derive(Debug)]
struct Memory {
    flaw: Flaw,
    waiting: Vec<Value>,
    stored: Arc<Mutex<Vec<Value>>>,
    thread: Option<std::thread::ThreadId>,
    written: usize,
    /// How many hosts there were before.
    hosts: usize,
}

impl Memory {
    fn new(flaw: Flaw, stored: &Arc<Mutex<Vec<Value>>>, hosts: usize) -> Self {
        Self { flaw, waiting: Vec::new(), stored: stored.clone(), thread: None, written: 0, hosts }
    }

    fn store(&mut self) {
        let mut stored = self.stored.lock().unwrap();
        stored.extend(self.waiting.iter().cloned());
        if self.flaw != Flaw::StoresTwiceOnFlush {
            self.waiting.clear();
        }
        if self.flaw == Flaw::Sorts {
            stored.sort_by_key(|record| record["sequence"].as_u64());
        }
    }

    fn has_marks(&self) -> bool {
        let without = [Flaw::HasNoMarks, Flaw::ForgetsWithoutMarks, Flaw::StoresOnCloseOnly, Flaw::StoresOnFlushOnly];
        !without.contains(&self.flaw) && self.flaw != Flaw::StoresTwiceOnFlush
    }

    fn distort(&self, mut record: Value) -> Value {
        let text = record.to_string();
        match self.flaw {
            Flaw::ForgetsAttempts => record["attempts"] = json!(1),
            Flaw::StripsLineBreaks => record = serde_json::from_str(&text.replace("\\n", " ")).unwrap(),
            Flaw::CutsLongText if text.len() > 1 << 20 => record["output"] = json!("too long"),
            Flaw::ForgetsTheBatch => record["batch"] = json!("b"),
            _ => {}
        }
        record
    }
}

#[async_trait]
impl ResultSink for Memory {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        if self.flaw == Flaw::KnowsItsThread {
            let here = std::thread::current().id();
            if *self.thread.get_or_insert(here) != here {
                return Err(SinkError::permanent("another thread"));
            }
        }
        if self.flaw == Flaw::WritesEmptyCalls && results.is_empty() {
            self.waiting.push(json!({}));
        }
        let records = results.iter().map(|result| serde_json::to_value(result.to_record(batch)).unwrap());
        let records: Vec<Value> = records.map(|record| self.distort(record)).collect();
        self.written += records.len();
        self.waiting.extend(records);
        if self.has_marks() {
            self.store();
        }
        Ok(())
    }

    fn mark(&self) -> Option<String> {
        let padding = if self.flaw == Flaw::MarksEverything { self.written * 2 } else { 0 };
        self.has_marks().then(|| format!("{}{}", self.written, " ".repeat(padding)))
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        if !self.has_marks() {
            if self.flaw == Flaw::ForgetsWithoutMarks {
                self.stored.lock().unwrap().clear();
            }
            return Ok(Resumed::AtMark);
        }
        let upto = match (mark, self.flaw) {
            (None, Flaw::KeepsAllWithoutAMark) => usize::MAX,
            (None, _) => 0,
            (Some("0"), Flaw::TakesTheFirstMarkForNone) | (Some(_), Flaw::KeepsWhatCameAfter) => usize::MAX,
            (Some(_), Flaw::SaysItIsBehindTheMark) => 0,
            (Some(_), Flaw::ForgetsAfterASecondResume) if self.hosts > 1 => 0,
            (Some(mark), _) => mark.trim().parse().unwrap(),
        };
        self.stored.lock().unwrap().truncate(upto);
        self.written = self.stored.lock().unwrap().len();
        let behind = matches!(self.flaw, Flaw::SaysItIsBehindTheMark | Flaw::ForgetsAfterASecondResume);
        Ok(if self.written > 0 || behind { Resumed::AtMark } else { Resumed::Empty })
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        if self.flaw != Flaw::StoresOnCloseOnly {
            self.store();
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        if self.flaw == Flaw::WritesAFooter {
            self.waiting.push(json!({"end": true}));
        }
        if self.flaw != Flaw::StoresOnFlushOnly {
            self.store();
        }
        Ok(())
    }
}

fn memory(flaw: Flaw) -> Subject {
    let stored = Arc::new(Mutex::new(Vec::new()));
    let (reading, hosts) = (stored.clone(), AtomicUsize::new(0));
    Subject::new(Memory::new(flaw, &stored, 0), move || reading.lock().unwrap().clone()).resumed_by(move || {
        let hosts = hosts.fetch_add(1, Ordering::SeqCst) + 1;
        Box::new(Memory::new(flaw, &stored, hosts))
    })
}

#[test]
fn a_right_sink_passes_every_case() {
    for (flaw, unasked) in [(Flaw::None, 1), (Flaw::HasNoMarks, 5)] {
        let report = run(|| memory(flaw));
        report.assert_passed();
        assert_eq!(report.not_applicable().len(), unasked, "{report}");
    }
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::WritesAFooter, "closing_an_unused_sink_stores_nothing"),
        (Flaw::WritesEmptyCalls, "no_results_are_no_records"),
        (Flaw::ForgetsAttempts, "a_record_has_every_field"),
        (Flaw::StoresOnCloseOnly, "a_flush_makes_results_readable"),
        (Flaw::StoresOnFlushOnly, "a_close_makes_results_readable"),
        (Flaw::StoresTwiceOnFlush, "flush_may_repeat_and_writing_goes_on"),
        (Flaw::Sorts, "every_result_arrives_once_and_in_order"),
        (Flaw::StripsLineBreaks, "any_text_survives"),
        (Flaw::CutsLongText, "ten_mebibytes_survive"),
        (Flaw::ForgetsTheBatch, "batches_are_told_apart"),
        (Flaw::MarksEverything, "marks_are_short"),
        (Flaw::KeepsWhatCameAfter, "what_came_after_the_mark_is_taken_back"),
        (Flaw::SaysItIsBehindTheMark, "what_came_after_the_mark_is_taken_back"),
        (Flaw::TakesTheFirstMarkForNone, "a_first_mark_takes_everything_back"),
        (Flaw::KeepsAllWithoutAMark, "without_a_mark_everything_is_taken_back"),
        (Flaw::ForgetsAfterASecondResume, "hosts_may_die_one_after_the_other"),
        (Flaw::ForgetsWithoutMarks, "a_sink_without_marks_keeps_what_it_has"),
    ] {
        caught(flaw, case, cases(), || memory(flaw));
    }
}

#[test]
fn a_sink_that_is_tied_to_its_thread_is_caught() {
    // Which worker runs a task is the runtime's choice, so tie the sink to a thread that is none of them.
    let tied = || {
        let stored = Arc::new(Mutex::new(Vec::new()));
        let thread = Some(std::thread::current().id());
        let sink = Memory { thread, ..Memory::new(Flaw::KnowsItsThread, &stored, 0) };
        Subject::new(sink, move || stored.lock().unwrap().clone())
    };
    assert_eq!(run(tied).failures(), ["moves_between_threads"]);
}
