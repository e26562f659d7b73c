//! Descriptors of any content, in memory: what may not be is refused with a message, what may be is taken, and whatever its
//! functions answer then, this process goes on.

mod answers;

use std::ffi::c_void;

use batchmill_core::{
    BatchId, BuildContext, ClassId, Draw, Entry, ErrorClass, Factory, FailedAttempt, FailureStrategy, FinalResult,
    Governor, JobId, JobResult, LoadSample, MonoTime, Options, Priority, ResultSink, RetryPolicy, Scheduler,
    ShareUsage, Status, Token, Usage,
};
use batchmill_testkit::Seed;

use super::*;
use crate::{
    host::{Containment, OnFault, Pin, Plugin, load},
    layout::Text,
};

const SEEDS: u64 = 20_000;

/// One of these: right ones, or a wrong one with a part of what is said about it.
struct Chosen<T> {
    value: T,
    wrong: Option<&'static str>,
}

fn choose<T: Copy>(seed: &mut Seed, right: &[T], wrong: &[(T, &'static str)]) -> Chosen<T> {
    if !wrong.is_empty() && seed.once_in(24) {
        let (value, said) = *seed.pick(wrong);
        return Chosen { value, wrong: Some(said) };
    }
    Chosen { value: *seed.pick(right), wrong: None }
}

/// Bytes that are read as a struct, on an address of any alignment.
struct Memory {
    bytes: Vec<u8>,
    shift: usize,
}

impl Memory {
    fn new(length: usize, shift: usize) -> Self {
        Self { bytes: vec![0; length + 16], shift }
    }

    fn put<T: crate::layout::Plain>(&mut self, at: usize, value: &T) {
        // SAFETY: all bytes of a struct of the ABI are set.
        let bytes = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) };
        self.bytes[self.shift + at..][..bytes.len()].copy_from_slice(bytes);
    }

    fn size(&mut self, at: usize, size: u32) {
        self.bytes[self.shift + at..][..4].copy_from_slice(&size.to_ne_bytes());
    }

    fn ptr(&self) -> *const u8 {
        self.bytes[self.shift..].as_ptr()
    }
}

/// A table of a kind, cut off somewhere or not at all.
fn table(seed: &mut Seed, kind: u32) -> (Memory, Option<&'static str>) {
    const SAID: &str = "it has no table, or one without";
    let shift = seed.index(8);
    let mut memory = Memory::new(256, shift);
    // What every one of the kind must have ends here.
    let (whole, least) = match kind {
        1 => {
            memory.put(0, &answers::SCHEDULER);
            (size_of_val(&answers::SCHEDULER), 64)
        }
        2 => {
            memory.put(0, &answers::RETRY);
            (size_of_val(&answers::RETRY), 32)
        }
        3 => {
            memory.put(0, &answers::FAILURE);
            (size_of_val(&answers::FAILURE), 32)
        }
        4 => {
            memory.put(0, &answers::GOVERNOR);
            (size_of_val(&answers::GOVERNOR), 32)
        }
        _ => {
            memory.put(0, &answers::SINK);
            (size_of_val(&answers::SINK), 48)
        }
    };
    let (whole, least) = (u32::try_from(whole).unwrap(), u32::try_from(least).unwrap());
    let size = match seed.below(24) {
        0 => u32::try_from(seed.below(u64::from(whole))).unwrap(),
        1 => *seed.pick(&[0, 1, 4, 7, 8, whole + 1, whole + 64, u32::MAX]),
        _ => whole,
    };
    memory.size(0, size);
    (memory, (size & !7 < least).then_some(SAID))
}

struct Told {
    descriptor: Memory,
    /// What the descriptor points to.
    _kept: Vec<Memory>,
    is_null: bool,
    inspected: Inspected,
    /// Parts of what may be said about it; none where nothing is wrong.
    wrong: Vec<&'static str>,
}

const ALL_KINDS: u32 = 0b11_1110;

fn inspected(kind_bits: u32) -> Inspected {
    Inspected {
        name: "fuzzed".into(),
        version: "1".into(),
        toolchain: String::new(),
        target: String::new(),
        abi: (1, 1),
        min_host_minor: 0,
        kinds: Vec::new(),
        is_debug: false,
        has_threads: false,
        kind_bits,
    }
}

static LONG: [u8; 5000] = [b'x'; 5000];

fn text(bytes: &'static [u8]) -> Text {
    Text { ptr: bytes.as_ptr(), len: bytes.len() }
}

fn tell(seed: &mut Seed) -> Told {
    let bits = if seed.once_in(24) { u32::try_from(seed.below(64)).unwrap() } else { ALL_KINDS };
    let mut wrong = Vec::new();
    let mut note = |said: Option<&'static str>| wrong.extend(said);
    let counts = [(0, "it has no extension"), (65, "at most 64"), (u32::MAX, "at most 64")];
    let count = choose(seed, &[1, 2, 5], &counts);
    note(count.wrong);
    let apart = "bytes apart";
    let strides = [(0, apart), (1, apart), (79, apart), (4097, apart), (u32::MAX, apart)];
    let stride = choose(seed, &[80, 80, 81, 88, 4096], &strides);
    note(stride.wrong);
    let number = "its magic number or version";
    let magic = choose(seed, &[MAGIC], &[(0, number), (u64::MAX, number)]);
    let major = choose(seed, &[ABI_MAJOR], &[(0, number), (2, number), (u32::MAX, number)]);
    note(magic.wrong);
    note(major.wrong);

    let step = if stride.wrong.is_some() { 80 } else { stride.value as usize };
    let shift = seed.index(8);
    let mut area = Memory::new(step * 6 + 80, shift);
    let mut kept = Vec::new();
    let mut seen = Vec::new();
    for place in 0..(if count.wrong.is_some() { 1 } else { count.value as usize }) {
        let kinds = [6, 7, 0, 8, 31, 32, 33, u32::MAX].map(|kind| (kind, "no kind that this host loads"));
        let kind = choose(seed, &[1, 2, 3, 4, 5], &kinds);
        let version = choose(seed, &[KIND_VERSION], &[0, 2, u32::MAX].map(|version| (version, "this host knows 1")));
        let name = "its name is not 1 to 63 characters";
        let null = |len| Text { ptr: std::ptr::null(), len };
        let names: [&'static [u8]; 5] = [b"a", b"b-1", b"c_2", b"d", &LONG[..63]];
        let bad_names = [
            (text(b""), name),
            (null(0), name),
            (null(7), name),
            (text(b"No Name"), name),
            (text(b"\xff\xfe\x80"), name),
            (text(b"a\0b"), name),
            (text(b"\x1b[2J"), name),
            (text(&LONG[..64]), "the name of an extension has 64 bytes"),
            (Text { ptr: LONG.as_ptr(), len: usize::MAX }, "the name of an extension has"),
            (Text { ptr: LONG.as_ptr(), len: 1 << 40 }, "the name of an extension has"),
        ];
        let name = choose(seed, &names.map(text), &bad_names);
        let said = "what it says about itself has";
        let abouts = [
            text(b"about"),
            text(b""),
            null(0),
            null(9),
            text(b"\xc3\x28"),
            text(b"\x1b]0;x\x07"),
            text(&LONG[..4096]),
        ];
        let bad_abouts = [(text(&LONG[..4097]), said), (Text { ptr: LONG.as_ptr(), len: usize::MAX }, said)];
        let about = choose(seed, &abouts, &bad_abouts);
        let (memory, bad_table) = table(seed, kind.value);
        let has_table = !seed.once_in(48);
        let raw = ExtensionDescriptor {
            size: 80,
            kind: kind.value,
            kind_version: version.value,
            reserved: u32::try_from(seed.below(2)).unwrap(),
            ctx: std::ptr::without_provenance_mut::<c_void>(seed.index(1 << 20)),
            table: if has_table { memory.ptr().cast() } else { std::ptr::null() },
            name: name.value,
            about: about.value,
            schema: seed.once_in(2).then_some(answers::schema as _),
            validate: seed.once_in(2).then_some(answers::validate as _),
        };
        area.put(place * step, &raw);
        let mut about_wrong = about.wrong;
        if seed.once_in(32) {
            // An older or a newer side made it, or one that cannot be: fields that are missing are zero, and zero is no kind.
            let size = *seed.pick(&[0_u32, 4, 63, 64, 79, 81, 200, u32::MAX]);
            area.size(place * step, size);
            note((size < 48).then_some("its name is not"));
            about_wrong = about_wrong.filter(|_| size >= 64);
        }
        if [kind.wrong, version.wrong, name.wrong].iter().all(Option::is_none) && (1..=5).contains(&kind.value) {
            note((bits & 1 << kind.value == 0).then_some("which the header does not say"));
            // SAFETY: a static text.
            let key = (kind.value, unsafe { name.value.bytes() });
            note(seen.contains(&key).then_some("a second"));
            seen.push(key);
        }
        for said in [kind.wrong, version.wrong, name.wrong, about_wrong, bad_table] {
            note(said);
        }
        note((!has_table).then_some("it has no table"));
        kept.push(memory);
    }
    let has_extensions = !seed.once_in(64);
    note((!has_extensions).then_some("it has no extension"));
    let mut descriptor = Memory::new(64, seed.index(8));
    descriptor.put(
        0,
        &PluginDescriptor {
            size: 56,
            abi_major: major.value,
            magic: magic.value,
            header: std::ptr::null(),
            extensions: if has_extensions { area.ptr().cast() } else { std::ptr::null() },
            extension_count: count.value,
            extension_stride: stride.value,
            init: seed.once_in(2).then_some(answers::init as _),
            shutdown: None,
        },
    );
    if seed.once_in(48) {
        let size = *seed.pick(&[0, 4, 8, 15, 16, 24, 32, 39]);
        descriptor.size(0, size);
        note(Some(if size < 16 { number } else { "it has no extension" }));
        note(Some("bytes apart"));
    }
    let is_null = seed.once_in(200);
    note(is_null.then_some("there is none"));
    kept.push(area);
    Told { descriptor, _kept: kept, is_null, inspected: inspected(bits), wrong }
}

fn take(told: &Told) -> Result<(PluginDescriptor, Vec<Extension>), LoadError> {
    let at = if told.is_null { std::ptr::null() } else { told.descriptor.ptr().cast() };
    // SAFETY: null, or as long as it says, as far as it is read.
    let descriptor = unsafe { read(at) }?;
    let extensions = extensions(&descriptor, &told.inspected)?;
    Ok((descriptor, extensions))
}

#[test]
fn a_descriptor_of_any_content_is_refused_with_a_reason_or_taken() {
    let (mut refused, mut taken) = (std::collections::BTreeSet::new(), 0);
    for number in 0..SEEDS {
        let mut seed = Seed::new(number);
        let told = tell(&mut seed);
        match take(&told) {
            Ok((descriptor, extensions)) => {
                assert_eq!(told.wrong, [""; 0], "seed {number}: it was taken");
                taken += 1;
                assert!(extensions.iter().all(|extension| !extension.about.chars().any(char::is_control)));
                if number % 16 == 0 {
                    use_it(&mut seed, &descriptor, told.inspected.clone(), extensions);
                }
            }
            Err(error) => {
                let message = error.to_string();
                let about = told.wrong.iter().find(|said| message.contains(**said));
                let about = about.unwrap_or_else(|| panic!("seed {number}: {message}; wrong is {:?}", told.wrong));
                assert!(!message.chars().any(char::is_control), "seed {number}: {message:?}");
                refused.insert(*about);
            }
        }
    }
    assert!(taken > SEEDS / 10, "only {taken} of {SEEDS} were taken");
    assert!(refused.len() >= 14, "only these were refused: {refused:?}");
}

/// The functions of one that was taken, whatever they answer.
fn use_it(seed: &mut Seed, descriptor: &PluginDescriptor, inspected: Inspected, extensions: Vec<Extension>) {
    answers::begin(seed.bits());
    // The services are leaked for each name: one is enough.
    if load::start(descriptor, "fuzzed").is_err() {
        return;
    }
    let plugin = std::sync::Arc::new(Plugin::new(inspected, Pin::of(b""), "/fuzzed.so".into(), extensions));
    for extension in plugin.extensions() {
        assert!(extension.schema().is_object());
        extension.problems("{}");
    }
    let containment = Containment { on_fault: OnFault::Recreate { max: 3 }, ..Containment::default() };
    for kind in [PluginKind::Scheduler, PluginKind::Retry, PluginKind::Failure, PluginKind::Governor, PluginKind::Sink]
    {
        for remote in plugin.factories(kind, &containment) {
            // A plugin whose instances fail too often ends the host by a panic of the host, which says why.
            let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drive(kind, &remote)));
            if let Err(payload) = used {
                let is_told = payload.downcast_ref::<String>().is_some_and(|said| said.starts_with("plugin fuzzed ("));
                if !is_told {
                    std::panic::resume_unwind(payload);
                }
            }
        }
    }
}

fn made<P: ?Sized>(remote: &super::super::Remote) -> Option<Box<P>>
where
    super::super::Remote: Factory<P>,
{
    match Factory::<P>::build(remote, &Options::new(), &BuildContext::default()) {
        Ok(made) => Some(made),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn drive(kind: PluginKind, remote: &super::super::Remote) {
    match kind {
        PluginKind::Scheduler => drop(made::<dyn Scheduler>(remote).map(|mut it| scheduler(&mut *it))),
        PluginKind::Retry => drop(made::<dyn RetryPolicy>(remote).map(|it| {
            let failed =
                FailedAttempt::new(1, ErrorClass::Timeout, std::time::Duration::ZERO, None, Draw::from_bits(1));
            (0..4).for_each(|_| drop((it.decide(&failed), it.budget())));
        })),
        PluginKind::Failure => drop(made::<dyn FailureStrategy>(remote).map(|mut it| {
            let result = FinalResult::new(Status::Failed, None, MonoTime::ZERO);
            (0..4).for_each(|total| drop(it.on_result(&result, total)));
        })),
        PluginKind::Governor => drop(made::<dyn Governor>(remote).map(|mut it| {
            (1..5).for_each(|current| assert!(it.adjust(&LoadSample::default(), current).is_none_or(|a| a.limit > 0)));
        })),
        _ => drop(made::<dyn ResultSink>(remote).map(|mut it| sink(&mut *it))),
    }
}

fn scheduler(scheduler: &mut dyn Scheduler) {
    let entry = |token| Entry::new(Token(token), ClassId(0), Priority(1), "a/b", MonoTime::ZERO);
    scheduler.push(entry(1));
    scheduler.push_many(&[entry(2), entry(3)]);
    scheduler.hold(ClassId(0));
    scheduler.release(ClassId(0));
    scheduler.pop(MonoTime::from_nanos(5));
    let mut picked = Vec::new();
    scheduler.pop_many(MonoTime::from_nanos(5), 4, &mut picked);
    assert!(picked.len() <= 4);
    scheduler.on_finish(Token(1), Usage::default());
    scheduler.explain(Token(2), MonoTime::from_nanos(5));
    scheduler.remove(Token(3));
    scheduler.len();
    if let Some(shares) = scheduler.shares() {
        assert!(shares.weight("a").is_finite());
        let _ = shares.set_weight("a", 2.0);
        let _ = (shares.memory(), shares.charges_memory());
        shares.recall(MonoTime::from_nanos(5), &[ShareUsage::new("a", 1.0)]);
        assert!(shares.take_usage().iter().all(|used| used.amount.is_finite() && used.amount >= 0.0));
    }
}

/// The end of a future that another thread ends.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
}

fn sink(sink: &mut dyn ResultSink) {
    let batch = BatchId::new("b").unwrap();
    let results = [JobResult::new(JobId::from(1), 0, Status::Succeeded)];
    let _ = wait(sink.resume(Some("mark")));
    let _ = wait(sink.write(&batch, &results));
    let _ = wait(sink.flush());
    let _ = wait(sink.close());
    let _ = (sink.mark(), sink.summary());
}
