//! More than a thousand panics, over every method of every kind that the ABI has, against the loaded library in this process:
//! it lives, and no job is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use batchmill_abi::host::{Containment, LoadRequest, OnFault, Plugin, Remote, load};
use batchmill_core::{
    BatchId, BuildContext, BuildError, ClassId, Draw, Entry, ErrorClass, Factory, FailedAttempt, FailureStrategy,
    FinalResult, Governor, JobId, JobResult, LoadSample, MonoTime, Pick, PluginKind, Priority, ResultSink, Resumed,
    RetryPolicy, Scheduler, ShareUsage, SinkError, Status, Token, Usage,
};
use batchmill_testkit::options;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

use super::stage;

/// Panics of each method.
const EACH: u64 = 50;

/// Calls of one life, at most: a method that is not called does not panic.
const ROUNDS: u64 = 20_000;

/// Counts what the host says of panics.
struct Counting(Arc<AtomicU64>);

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "batchmill_plugin_panics_total" => Counter::from_arc(Arc::clone(&self.0)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The plugin, and the panics that were counted so far.
struct Scene {
    plugin: Arc<Plugin>,
    panics: Arc<AtomicU64>,
}

impl Scene {
    fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// An instance that does this `fault` in a method, after so many calls of it that go well.
    fn try_make<P: ?Sized>(
        &self,
        kind: PluginKind,
        fault: &str,
        method: Option<&str>,
        after: u64,
    ) -> Result<Box<P>, BuildError>
    where
        Remote: Factory<P>,
    {
        self.try_make_within(u32::MAX, kind, fault, method, after)
    }

    /// The same, which has so many heirs at most.
    fn try_make_within<P: ?Sized>(
        &self,
        max: u32,
        kind: PluginKind,
        fault: &str,
        method: Option<&str>,
        after: u64,
    ) -> Result<Box<P>, BuildError>
    where
        Remote: Factory<P>,
    {
        let containment = Containment { on_fault: OnFault::Recreate { max }, ..Containment::default() };
        let remote = self.plugin.factories(kind, &containment).remove(0);
        let options = options(json!({"fault": fault, "method": method, "after": after}));
        Factory::<P>::build(&remote, &options, &BuildContext::default())
    }

    fn make<P: ?Sized>(&self, kind: PluginKind, method: &str, after: u64) -> Box<P>
    where
        Remote: Factory<P>,
    {
        self.try_make(kind, "panic", Some(method), after).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Does something again and again until a method has panicked often enough.
    #[track_caller]
    fn until_enough(&self, method: &str, mut act: impl FnMut(u64)) {
        let before = self.panics();
        for round in 0..ROUNDS {
            act(round);
            if self.panics() - before >= EACH {
                return;
            }
        }
        panic!("`{method}` panicked {} times in {ROUNDS} rounds", self.panics() - before);
    }
}

/// What a scheduler must have, played beside it.
struct Life {
    scheduler: Box<dyn Scheduler>,
    queued: BTreeMap<Token, ClassId>,
    held: BTreeSet<ClassId>,
    next: u64,
    now: MonoTime,
}

impl Life {
    fn new(scheduler: Box<dyn Scheduler>) -> Self {
        Self { scheduler, queued: BTreeMap::new(), held: BTreeSet::new(), next: 0, now: MonoTime::ZERO }
    }

    fn entry(&mut self) -> Entry<'static> {
        let (token, class) = (Token(self.next), ClassId(u32::try_from(self.next % 3).expect("small")));
        self.next += 1;
        self.queued.insert(token, class);
        Entry::new(token, class, Priority(0), "org/team", self.now)
    }

    /// A picked job is one that is queued and not held; it ends at once.
    fn pop(&mut self) -> bool {
        match self.scheduler.pop(self.now) {
            Pick::Run(token) => {
                let class = self.queued.remove(&token).expect("a job that is queued, once");
                assert!(!self.held.contains(&class), "{token:?} of a class that is held");
                self.scheduler.on_finish(token, Usage::new(Duration::from_secs(1)).measured(1, Duration::ZERO));
                true
            }
            other => {
                assert_eq!(other, Pick::Empty);
                assert!(self.queued.values().all(|class| self.held.contains(class)), "a job waits for nothing");
                false
            }
        }
    }

    /// Every method at least once; few jobs are left.
    fn round(&mut self, round: u64) {
        self.now = MonoTime::from_nanos(round + 1);
        let (one, two, three) = (self.entry(), self.entry(), self.entry());
        self.scheduler.push(one);
        self.scheduler.push_many(&[two, three]);
        let class = ClassId(u32::try_from(round % 3).expect("small"));
        self.scheduler.hold(class);
        self.held.insert(class);
        if let Some(shares) = self.scheduler.shares() {
            assert_eq!(shares.set_weight("org", 2.5), Ok(()));
            assert_eq!(shares.set_weight("org", 1000.0), Err("too heavy".to_owned()));
            shares.weight("org");
            shares.recall(self.now, &[ShareUsage::new("org", 3.0)]);
            shares.take_usage();
        }
        let first = *self.queued.keys().next().expect("three jobs");
        assert!(self.scheduler.explain(first, self.now).is_some());
        while self.pop() {}
        assert_eq!(self.scheduler.len(), self.queued.len());
        if let Some(token) = self.queued.keys().next().copied() {
            assert!(self.scheduler.remove(token));
            assert!(!self.scheduler.remove(token));
            self.queued.remove(&token);
        }
        self.scheduler.release(class);
        self.held.remove(&class);
        let mut picked = Vec::new();
        self.scheduler.pop_many(self.now, 2, &mut picked);
        for token in picked {
            assert!(self.queued.remove(&token).is_some(), "{token:?} is queued");
            self.scheduler.on_finish(token, Usage::default());
        }
    }

    fn end(mut self) {
        while self.pop() {}
        assert!(self.queued.is_empty(), "{:?} never left", self.queued);
    }
}

fn scheduler(scene: &Scene, methods: &mut Vec<&str>) {
    for method in [
        "push",
        "push_many",
        "pop",
        "remove",
        "len",
        "on_finish",
        "hold",
        "release",
        "explain",
        "weight",
        "set_weight",
        "recall",
        "take_usage",
    ] {
        methods.push(method);
        let mut life = Life::new(scene.make(PluginKind::Scheduler, method, 20));
        scene.until_enough(method, |round| life.round(round));
        life.end();
    }
    // Asked once, when an instance is made: whatever comes next finds it poisoned.
    for method in ["hears_finish", "can_hold", "shares", "charges_memory", "memory"] {
        methods.push(method);
        scene.until_enough(method, |round| {
            let mut life = Life::new(scene.make(PluginKind::Scheduler, method, 0));
            life.scheduler.push(Entry::new(Token(0), ClassId(0), Priority(0), "a", MonoTime::ZERO));
            life.queued.insert(Token(0), ClassId(0));
            life.now = MonoTime::from_nanos(round);
            life.end();
        });
    }
}

/// A scheduler that nothing is to replace is asked for many at once, and its panic is the host's.
fn pop_many(scene: &Scene, methods: &mut Vec<&str>) {
    methods.push("pop_many");
    scene.until_enough("pop_many", |_| {
        let remote = scene.plugin.factories(PluginKind::Scheduler, &Containment::default()).remove(0);
        let options = options(json!({"fault": "panic", "method": "pop_many"}));
        let mut scheduler = Factory::<dyn Scheduler>::build(&remote, &options, &BuildContext::default()).unwrap();
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            scheduler.pop_many(MonoTime::ZERO, 2, &mut Vec::new())
        }));
        let said = asked.unwrap_err().downcast::<String>().expect("a message");
        assert!(said.contains("`pop_many` panicked: it panics in a call"), "{said}");
    });
}

fn retry(scene: &Scene, methods: &mut Vec<&str>) {
    for method in ["decide", "budget"] {
        methods.push(method);
        let policy = scene.make::<dyn RetryPolicy>(PluginKind::Retry, method, 3);
        scene.until_enough(method, |round| {
            assert_eq!(policy.budget(), None);
            let attempt = u32::try_from(round % 3 + 1).expect("small");
            let failed =
                FailedAttempt::new(attempt, ErrorClass::Transient, Duration::ZERO, None, Draw::from_bits(round));
            let gives_up = matches!(policy.decide(&failed), batchmill_core::RetryDecision::GiveUp(_));
            assert_eq!(gives_up, attempt == 3, "attempt {attempt}");
        });
    }
}

fn failure(scene: &Scene, methods: &mut Vec<&str>) {
    methods.push("on_result");
    let result = |at| FinalResult::new(Status::Succeeded, None, MonoTime::from_nanos(at));
    scene.until_enough("on_result", |_| {
        let (kind, method) = (PluginKind::Failure, Some("on_result"));
        let mut strategy = scene.try_make_within::<dyn FailureStrategy>(9, kind, "panic", method, 9).unwrap();
        for at in 1..=9 {
            assert_eq!(strategy.on_result(&result(at), 100), batchmill_core::Directive::Continue);
        }
        // A fresh one is told the nine before, and falls by the tenth again: when there is none left, the host ends.
        let told = catch_unwind(AssertUnwindSafe(|| strategy.on_result(&result(10), 100)));
        assert!(told.is_err(), "{told:?}");
    });
}

fn governor(scene: &Scene, methods: &mut Vec<&str>) {
    methods.push("adjust");
    let mut governor = scene.make::<dyn Governor>(PluginKind::Governor, "adjust", 3);
    assert_eq!((governor.window(), governor.range()), (Some(Duration::from_millis(100)), 1..=1000));
    scene.until_enough("adjust", |_| assert_eq!(governor.adjust(&LoadSample::default(), 7), None));
    // Asked once, when an instance is made.
    for method in ["window", "range"] {
        methods.push(method);
        scene.until_enough(method, |_| {
            let mut governor = scene.make::<dyn Governor>(PluginKind::Governor, method, 0);
            assert_eq!(governor.adjust(&LoadSample::default(), 7), None);
            assert!(governor.window().is_some() && governor.range().contains(&7));
        });
    }
}

/// The end of a future that another thread ends.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// As a host does it: what failed for now is tried again.
fn again<T>(mut call: impl FnMut() -> Result<T, SinkError>) -> T {
    loop {
        match call() {
            Ok(value) => return value,
            Err(error) => assert!(error.temporary, "{error}"),
        }
    }
}

fn sink(scene: &Scene, methods: &mut Vec<&str>) {
    let batch = BatchId::new("b").unwrap();
    for method in ["write", "flush", "mark"] {
        methods.push(method);
        let mut sink = scene.make::<dyn ResultSink>(PluginKind::Sink, method, 20);
        let mut written = 0;
        scene.until_enough(method, |_| {
            let result = JobResult::new(JobId::from(written + 1), written, Status::Succeeded);
            again(|| wait(sink.write(&batch, std::slice::from_ref(&result))));
            written += 1;
            again(|| wait(sink.flush()));
        });
        again(|| wait(sink.flush()));
        assert_eq!(sink.mark(), Some(written.to_string()), "`{method}`: the sink has every result once");
    }
    methods.extend(["close", "resume", "summary"]);
    // Asked last of all: what it wrote is there, what it had to say is not.
    scene.until_enough("summary", |_| {
        let mut sink = scene.make::<dyn ResultSink>(PluginKind::Sink, "summary", 0);
        again(|| wait(sink.close()));
        assert_eq!(sink.summary(), None);
    });
    scene.until_enough("close", |_| {
        let mut sink = scene.make::<dyn ResultSink>(PluginKind::Sink, "close", 1);
        again(|| wait(sink.close()));
        again(|| wait(sink.close()));
    });
    scene.until_enough("resume", |_| {
        let mut sink = scene.make::<dyn ResultSink>(PluginKind::Sink, "resume", 1);
        assert_eq!(wait(sink.resume(Some("5"))).unwrap(), Resumed::AtMark);
        let error = wait(sink.resume(Some("5"))).unwrap_err();
        assert!(error.temporary && error.message.contains("`resume` panicked"), "{error}");
    });
}

/// Makes an instance of a kind, and lets go of it.
type TryMake = fn(&Scene, PluginKind) -> Result<(), BuildError>;

fn factories(scene: &Scene) {
    scene.until_enough("create", |_| {
        let kinds: [(PluginKind, TryMake); 5] = [
            (PluginKind::Scheduler, |s, k| s.try_make::<dyn Scheduler>(k, "panic-create", None, 0).map(drop)),
            (PluginKind::Retry, |s, k| s.try_make::<dyn RetryPolicy>(k, "panic-create", None, 0).map(drop)),
            (PluginKind::Failure, |s, k| s.try_make::<dyn FailureStrategy>(k, "panic-create", None, 0).map(drop)),
            (PluginKind::Governor, |s, k| s.try_make::<dyn Governor>(k, "panic-create", None, 0).map(drop)),
            (PluginKind::Sink, |s, k| s.try_make::<dyn ResultSink>(k, "panic-create", None, 0).map(drop)),
        ];
        for (kind, make) in kinds {
            let error = make(scene, kind).unwrap_err().to_string();
            assert!(error.contains("it panics while it is made"), "{kind}: {error}");
        }
    });
    scene.until_enough("drop", |_| {
        let made = scene.try_make::<dyn Scheduler>(PluginKind::Scheduler, "panic-drop", None, 0).unwrap();
        drop(made);
    });
    let refused = scene.try_make::<dyn RetryPolicy>(PluginKind::Retry, "panic-check", None, 0).unwrap_err().to_string();
    assert!(refused.contains("it panics while its options are checked"), "{refused}");
}

/// The methods of a trait, as its source has them.
fn methods_of(file: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let begin = text.find(&format!("pub trait {name}")).unwrap_or_else(|| panic!("no trait {name} in {file}"));
    let body = text[begin..].split("\n}\n").next().expect("a body");
    let method = |line: &str| {
        let rest = line.strip_prefix("    async fn ").or_else(|| line.strip_prefix("    fn "))?;
        rest.split('(').next().map(str::to_owned)
    };
    body.lines().filter_map(method).collect()
}

#[test]
fn more_than_a_thousand_panics_over_all_methods_of_all_kinds_cost_no_job() {
    let stage = stage(0);
    let plugin = load(&LoadRequest { path: stage.faulty(), ..LoadRequest::default() }).unwrap();
    let panics = Arc::new(AtomicU64::new(0));
    let scene = Scene { plugin, panics: Arc::clone(&panics) };
    let mut methods = Vec::new();
    metrics::with_local_recorder(&Counting(panics), || {
        scheduler(&scene, &mut methods);
        pop_many(&scene, &mut methods);
        retry(&scene, &mut methods);
        failure(&scene, &mut methods);
        governor(&scene, &mut methods);
        sink(&scene, &mut methods);
        factories(&scene);
    });
    assert!(scene.panics() >= 1000, "only {} panics", scene.panics());
    let traits = [
        ("scheduler.rs", "Scheduler"),
        ("shares.rs", "Shares"),
        ("retry.rs", "RetryPolicy"),
        ("failure.rs", "FailureStrategy"),
        ("governor.rs", "Governor"),
        ("sink.rs", "ResultSink"),
    ];
    for (file, name) in traits {
        let all = methods_of(file, name);
        assert!(!all.is_empty(), "no methods of {name}");
        // A library is not asked these: the host answers them for it.
        let of_plugins = |method: &&String| !["is_empty", "prefers_many"].contains(&method.as_str());
        for method in all.iter().filter(of_plugins) {
            assert!(methods.contains(&method.as_str()), "`{name}::{method}` never panicked");
        }
    }
}
