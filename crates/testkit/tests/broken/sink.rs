//! A sink that keeps records in memory, right or with one flaw.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, SinkError};
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
}

#[derive(Debug)]
struct Memory {
    flaw: Flaw,
    waiting: Vec<Value>,
    stored: Arc<Mutex<Vec<Value>>>,
    thread: Option<std::thread::ThreadId>,
}

impl Memory {
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
        self.waiting.extend(records);
        Ok(())
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
    let sink = Memory { flaw, waiting: Vec::new(), stored: Arc::clone(&stored), thread: None };
    Subject::new(sink, move || stored.lock().unwrap().clone())
}

#[test]
fn a_right_sink_passes_every_case() {
    run(|| memory(Flaw::None)).assert_passed();
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
        let sink = Memory { flaw: Flaw::KnowsItsThread, waiting: Vec::new(), stored: Arc::clone(&stored), thread };
        Subject::new(sink, move || stored.lock().unwrap().clone())
    };
    assert_eq!(run(tied).failures(), ["moves_between_threads"]);
}
