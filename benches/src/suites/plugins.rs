//! What the boundary to a dynamic library costs: the same source, linked statically and loaded.

mod hung;

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use batchmill_abi::host::{Containment, LoadRequest, Plugin, Remote, load};
use batchmill_core::{
    BatchId, BuildContext, ClassId, Entry, Factory, JobId, JobResult, MonoTime, Options, Pick, PluginKind, Priority,
    ResultSink, Scheduler, Status, Token,
};
use batchmill_scheduler_priority::PriorityScheduler;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{
        mill::{self, Metrics},
        task::Nothing,
    },
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "plugins",
    about: "plugins as dynamic libraries: against the same source linked statically, and beside calls that hang",
    needs: &[Need::Plugins, Need::Host],
    cases,
    only_by_name: false,
};

const STATIC: &str = "linked";
const DYNAMIC: &str = "loaded";
const BOUNDARY: &str = "the boundary, a call";

/// Jobs that are queued meanwhile.
const QUEUED: u64 = 1000;
const OPERATIONS: u32 = 200_000;
const MILLION: u32 = 1_000_000;

/// Results of one write, and the bytes of their output.
const RESULTS: u64 = 64;
const BYTES: usize = 200;
const WRITES: usize = 500;

fn cases(tools: &Tools) -> Vec<Case> {
    let folder = tools.path(Need::Plugins);
    let (one, two, three) = (folder.clone(), folder.clone(), folder);
    let added = Case::new("what the boundary adds to a call of `priority`, 1,000 queued", Unit::Nanoseconds)
        .side(Kind::Batchmill, BOUNDARY, OPERATIONS, move |calls| {
            let dynamic = calls_of(&mut *scheduler(&one)?, calls);
            let linked = calls_of(&mut PriorityScheduler::new(&Default::default()), calls);
            Ok(Sample::of(dynamic - linked))
        })
        .goal_of(BOUNDARY, Bound::AtMost(25.0));
    let noop = Case::new("no-op jobs, 10 at a time, `priority`", Unit::JobsPerSecond)
        .side(Kind::Batchmill, STATIC, MILLION, move |jobs| mill::full::<Nothing>(jobs, 10, Metrics::On))
        .side(Kind::Batchmill, DYNAMIC, MILLION, move |jobs| {
            mill::scheduled::<Nothing>(jobs, 10, Metrics::On, scheduler(&two)?)
        })
        .goal(DYNAMIC, STATIC, Bound::AtLeast(0.95));
    let sink = Case::new("the caller of a sink is held up: 64 results of 200 bytes", Unit::Nanoseconds)
        .side(Kind::Batchmill, DYNAMIC, WRITES as u32, move |_| held_up(&three))
        .goal_of(DYNAMIC, Bound::AtMost(10_000.0))
        .without_warm_up();
    vec![added, noop, sink, hung::case(tools)]
}

/// A plugin of this workspace; it is loaded once, since nothing is unloaded.
fn plugin(folder: &Result<PathBuf, String>, name: &str) -> Result<Arc<Plugin>, String> {
    let file = folder.clone()?.join(format!("libbatchmill_{name}.so"));
    let path = fs::canonicalize(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    load(&LoadRequest { path, ..LoadRequest::default() }).map_err(|error| format!("{name}: {error}"))
}

fn remote(folder: &Result<PathBuf, String>, name: &str, kind: PluginKind) -> Result<Remote, String> {
    let factories = plugin(folder, name)?.factories(kind, &Containment::default());
    factories.into_iter().next().ok_or_else(|| format!("{name} has no {kind}"))
}

fn scheduler(folder: &Result<PathBuf, String>) -> Result<Box<dyn Scheduler>, String> {
    let remote = remote(folder, "scheduler_priority", PluginKind::Scheduler)?;
    let built = Factory::<dyn Scheduler>::build(&remote, &Options::new(), &BuildContext::default());
    built.map_err(|error| error.to_string())
}

/// CPU time of a call, of as many picks as pushes.
fn calls_of(scheduler: &mut dyn Scheduler, calls: u32) -> f64 {
    let entry = |token: u64| {
        let priority = Priority(u8::try_from(token % 256).unwrap_or_default());
        Entry::new(Token(token), ClassId(u32::from(priority.0)), priority, "tenant", MonoTime::from_nanos(token * 1000))
    };
    (0..QUEUED).for_each(|token| scheduler.push(entry(token)));
    let began = cpu_nanos();
    for token in QUEUED..QUEUED + u64::from(calls) {
        let picked = black_box(scheduler.pop(MonoTime::from_nanos(token * 1000)));
        assert!(matches!(picked, Pick::Run(_)), "it is held at its size");
        scheduler.push(black_box(entry(token)));
    }
    (cpu_nanos() - began) / (2.0 * f64::from(calls))
}

fn cpu_nanos() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The median of the times after which a caller of `write` can do something else.
fn held_up(folder: &Result<PathBuf, String>) -> Result<Sample, String> {
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut sink = sink(folder, place.path())?;
    let batch = BatchId::new("bench").map_err(|error| error.to_string())?;
    let results: Vec<JobResult> = (0..RESULTS).map(result).collect();
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let began = Instant::now();
        let mut writing = sink.write(&batch, &results);
        let mut context = Context::from_waker(Waker::noop());
        let mut polled = writing.as_mut().poll(&mut context);
        times.push(began.elapsed());
        let patience = Instant::now();
        while polled.is_pending() {
            if patience.elapsed() > Duration::from_secs(10) {
                return Err("the sink does not answer".to_owned());
            }
            std::thread::yield_now();
            polled = writing.as_mut().poll(&mut context);
        }
        let Poll::Ready(Ok(())) = polled else { return Err("the sink failed".to_owned()) };
    }
    Ok(Sample::median(times))
}

fn sink(folder: &Result<PathBuf, String>, place: &Path) -> Result<Box<dyn ResultSink>, String> {
    let remote = remote(folder, "sink_jsonl", PluginKind::Sink)?;
    let options = Options::from_iter([("path".to_owned(), "results.jsonl".into())]);
    let built = Factory::<dyn ResultSink>::build(&remote, &options, &BuildContext::new(place));
    built.map_err(|error| error.to_string())
}

fn result(sequence: u64) -> JobResult {
    let mut result = JobResult::new(JobId::from(sequence + 1), sequence, Status::Succeeded);
    result.output = Some(json!({"text": "x".repeat(BYTES)}));
    result
}
