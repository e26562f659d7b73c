//! The kit for [`ResultSink`]s.
//!
//! A sink cannot be asked what it has, so the kit is given a [`Subject`]: a fresh sink, and a way to read back what has
//! arrived where it writes to.

mod maker;
mod resume;

use std::fmt;

use batchmill_core::{BatchId, ErrorClass, JobResult, ResultSink, SinkError, Status};
use serde_json::{Value, json};

use crate::{
    Case, Make, Report, ResultBuilder,
    case::{Checked, Unmet, ensure},
};

pub use maker::Maker;

/// From records to what should be stored of them.
type Kept = Box<dyn Fn(&[Value]) -> Vec<Value>>;

/// A sink that nothing was written to, and how to read what it stored.
pub struct Subject {
    sink: Box<dyn ResultSink>,
    /// `None` where nobody can say what it has.
    stored: Option<Box<dyn Fn() -> Vec<Value>>>,
    kept: Kept,
    again: Option<Box<dyn Fn() -> Box<dyn ResultSink>>>,
}

impl Subject {
    /// `stored` reads all records, in the outward form of [`JobResult::to_record`], in the order in which they are stored.
    pub fn new(sink: impl ResultSink + 'static, stored: impl Fn() -> Vec<Value> + 'static) -> Self {
        Self::boxed(Box::new(sink), stored)
    }

    /// The same for a sink that is boxed already.
    pub fn boxed(sink: Box<dyn ResultSink>, stored: impl Fn() -> Vec<Value> + 'static) -> Self {
        Self { sink, stored: Some(Box::new(stored)), kept: Box::new(<[Value]>::to_vec), again: None }
    }

    /// A sink whose place nobody can read: what it answers is looked at, what it stores is not.
    pub fn unread(sink: Box<dyn ResultSink>) -> Self {
        Self { sink, stored: None, kept: Box::new(<[Value]>::to_vec), again: None }
    }

    /// For a sink that keeps something else than the records as they are: a part of each, or a sum of all. `kept` says what
    /// that is, and `stored` reads it.
    #[must_use]
    pub fn keeping(mut self, kept: impl Fn(&[Value]) -> Vec<Value> + 'static) -> Self {
        self.kept = Box::new(kept);
        self
    }

    /// For a sink that outlives its host: `again` makes it anew at the same place, as a later host of the batch does, after
    /// the one before was dropped without a word.
    #[must_use]
    pub fn resumed_by(mut self, again: impl Fn() -> Box<dyn ResultSink> + 'static) -> Self {
        self.again = Some(Box::new(again));
        self
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sink.fmt(f)
    }
}

/// Runs every case, each in a tokio runtime of its own.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("sink", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("closing_an_unused_sink_stores_nothing", closing_an_unused_sink_stores_nothing),
        Case::new("no_results_are_no_records", no_results_are_no_records),
        Case::new("a_record_has_every_field", a_record_has_every_field),
        Case::new("a_flush_makes_results_readable", a_flush_makes_results_readable),
        Case::new("a_close_makes_results_readable", a_close_makes_results_readable),
        Case::new("flush_may_repeat_and_writing_goes_on", flush_may_repeat_and_writing_goes_on),
        Case::new("every_result_arrives_once_and_in_order", every_result_arrives_once_and_in_order),
        Case::new("any_text_survives", any_text_survives),
        Case::new("ten_mebibytes_survive", ten_mebibytes_survive),
        Case::new("batches_are_told_apart", batches_are_told_apart),
        Case::new("moves_between_threads", moves_between_threads),
        Case::new("marks_are_short", resume::marks_are_short),
        Case::new("what_came_after_the_mark_is_taken_back", resume::what_came_after_the_mark_is_taken_back),
        Case::new("a_first_mark_takes_everything_back", resume::a_first_mark_takes_everything_back),
        Case::new("without_a_mark_everything_is_taken_back", resume::without_a_mark_everything_is_taken_back),
        Case::new("hosts_may_die_one_after_the_other", resume::hosts_may_die_one_after_the_other),
        Case::new("a_sink_without_marks_keeps_what_it_has", resume::a_sink_without_marks_keeps_what_it_has),
    ];
    CASES
}

/// Runs a case's future where sinks are at home.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(future)
}

/// The same, with more than one thread for what the future spawns.
pub(crate) fn on_threads<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime can be made").block_on(future)
}

fn batch(name: &str) -> BatchId {
    BatchId::new(name).expect("a batch id")
}

fn results(sequences: std::ops::Range<u64>) -> Vec<JobResult> {
    sequences.map(|n| ResultBuilder::new(n).output(json!({"square": n * n})).build()).collect()
}

fn records(batch: &BatchId, results: &[JobResult]) -> Vec<Value> {
    results.iter().map(|result| serde_json::to_value(result.to_record(batch)).expect("a record is JSON")).collect()
}

fn failed(call: &str, error: &SinkError) -> Unmet {
    Unmet::Failed(format!("{call} failed: {error}"))
}

impl Subject {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Checked {
        self.sink.write(batch, results).await.map_err(|error| failed("write", &error))
    }

    async fn flush(&mut self) -> Checked {
        self.sink.flush().await.map_err(|error| failed("flush", &error))
    }

    async fn close(&mut self) -> Checked {
        self.sink.close().await.map_err(|error| failed("close", &error))
    }

    fn stored(&self) -> Result<Vec<Value>, Unmet> {
        let stored = self.stored.as_ref().ok_or(Unmet::NotApplicable("what it stores cannot be read here"))?;
        Ok(stored())
    }

    fn expect(&self, records: &[Value]) -> Checked {
        let (stored, expected) = (self.stored()?, (self.kept)(records));
        let differs = stored.iter().zip(&expected).position(|(a, b)| a != b);
        if let Some(place) = differs {
            return Err(Unmet::Failed(format!("record {place} is {}, expected {}", stored[place], expected[place])));
        }
        ensure!(stored.len() == expected.len(), "{} records are stored, expected {}", stored.len(), expected.len());
        Ok(())
    }
}

fn closing_an_unused_sink_stores_nothing(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    block_on(subject.close())?;
    subject.expect(&[])
}

fn no_results_are_no_records(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    block_on(async {
        subject.write(&batch("b"), &[]).await?;
        subject.close().await
    })?;
    subject.expect(&[])
}

fn a_record_has_every_field(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch) = (make(), batch("b"));
    let millis = std::time::Duration::from_millis;
    let all = [
        ResultBuilder::new(0).id("a").tenant("team").priority(255).output(json!({"n": [1, 2.5, null]})).build(),
        ResultBuilder::new(1).ended(Status::Failed, ErrorClass::Permanent, "it broke", 3).build(),
        ResultBuilder::new(2)
            .ended(Status::TimedOut, ErrorClass::Timeout, "too slow", 1)
            .took(millis(12), millis(34))
            .build(),
    ];
    block_on(async {
        subject.write(&batch, &all).await?;
        subject.close().await
    })?;
    subject.expect(&records(&batch, &all))
}

fn a_flush_makes_results_readable(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch, all) = (make(), batch("b"), results(0..3));
    block_on(async {
        subject.write(&batch, &all).await?;
        subject.flush().await?;
        subject.expect(&records(&batch, &all))?;
        subject.close().await?;
        subject.expect(&records(&batch, &all))
    })
}

fn a_close_makes_results_readable(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch, all) = (make(), batch("b"), results(0..3));
    block_on(async {
        subject.write(&batch, &all).await?;
        subject.close().await
    })?;
    subject.expect(&records(&batch, &all))
}

fn flush_may_repeat_and_writing_goes_on(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch, all) = (make(), batch("b"), results(0..4));
    block_on(async {
        subject.flush().await?;
        for result in &all {
            subject.write(&batch, std::slice::from_ref(result)).await?;
            subject.flush().await?;
            subject.flush().await?;
        }
        subject.close().await
    })?;
    subject.expect(&records(&batch, &all))
}

fn every_result_arrives_once_and_in_order(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch, all) = (make(), batch("b"), results(0..6400));
    block_on(async {
        // Not in submission order: results come as their jobs end.
        for part in all.rchunks(64) {
            subject.write(&batch, part).await?;
        }
        subject.close().await
    })?;
    let expected: Vec<Value> = all.rchunks(64).flat_map(|part| records(&batch, part)).collect();
    subject.expect(&expected)
}

fn any_text_survives(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch) = (make(), batch("Ünï/cødé 部門"));
    let text = "line\nbreak\r\n\t\"quoted\" back\\slash, comma; \u{0} \u{7f} \u{2028} 🦀 e\u{301} </script>";
    let all = [
        ResultBuilder::new(0).id("a, \"b\"; ü 🦀").tenant("部門").output(json!({text: text})).build(),
        ResultBuilder::new(1).ended(Status::Failed, ErrorClass::Crash, text, 1).build(),
    ];
    block_on(async {
        subject.write(&batch, &all).await?;
        subject.close().await
    })?;
    subject.expect(&records(&batch, &all))
}

fn ten_mebibytes_survive(make: Make<'_, Subject>) -> Checked {
    let (mut subject, batch) = (make(), batch("b"));
    let mut all = results(0..3);
    all[1].output = Some(json!({"text": "x".repeat(10 << 20)}));
    block_on(async {
        subject.write(&batch, &all).await?;
        subject.close().await
    })?;
    let (stored, expected) = (subject.stored()?, (subject.kept)(&records(&batch, &all)));
    // The records are too long to be printed.
    ensure!(stored == expected, "a record of 10 MiB, or one beside it, is not as it was written");
    Ok(())
}

fn batches_are_told_apart(make: Make<'_, Subject>) -> Checked {
    let (mut subject, one, other, all) = (make(), batch("one"), batch("other"), results(0..2));
    block_on(async {
        subject.write(&one, &all).await?;
        subject.write(&other, &all).await?;
        subject.close().await
    })?;
    let expected: Vec<Value> = [records(&one, &all), records(&other, &all)].concat();
    subject.expect(&expected)
}

fn moves_between_threads(make: Make<'_, Subject>) -> Checked {
    let Subject { mut sink, stored, kept, again } = make();
    let (batch, all) = (batch("b"), results(0..40));
    let sink = on_threads(async {
        for part in all.chunks(10) {
            let (batch, part) = (batch.clone(), part.to_vec());
            let task = tokio::spawn(async move {
                let written = sink.write(&batch, &part).await;
                (sink, written)
            });
            let (back, written) = task.await.map_err(|error| Unmet::Failed(format!("a task ended early: {error}")))?;
            written.map_err(|error| failed("write", &error))?;
            sink = back;
        }
        sink.close().await.map_err(|error| failed("close", &error))?;
        Ok(sink)
    })?;
    Subject { sink, stored, kept, again }.expect(&records(&batch, &all))
}
