//! What plugins call in the host: logs, metrics, completions. Each function may come from any thread at any time, and none
//! lets a panic out.

use std::{
    collections::BTreeMap,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, counter, with_recorder};
use serde_json::Value;

use super::{
    header::is_name,
    tickets::{self, Answer},
};
use crate::{
    layout::{
        ABI_MINOR, Completion, HostServices, LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_TRACE, LOG_WARN, METRIC_ADD,
        METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_RECORD, METRIC_SET, Text, read_sized,
    },
    text,
};

/// The most time series that one plugin may have.
const SERIES_MAX: usize = 1000;

/// What the host knows of one plugin; leaked, because the plugin has it for as long as the process lives.
struct Context {
    plugin: String,
    series: Mutex<Series>,
}

#[derive(Default)]
struct Series {
    known: BTreeMap<(u32, String, String), u64>,
    all: Vec<Metric>,
    told_full: bool,
}

/// The handle is made when it is first used: a plugin may name its metrics before there is a recorder.
struct Metric {
    kind: u32,
    key: Key,
    handle: Option<Handle>,
}

#[derive(Clone)]
enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

static CLOSED: AtomicBool = AtomicBool::new(false);
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// From here on plugins are not heard any more.
pub(super) fn close() {
    CLOSED.store(true, Ordering::Release);
}

fn is_closed() -> bool {
    CLOSED.load(Ordering::Acquire)
}

/// The services for a plugin.
pub(super) fn of(plugin: &str) -> *const HostServices {
    LazyLock::force(&BEGAN);
    let context = Box::leak(Box::new(Context { plugin: plugin.to_owned(), series: Mutex::default() }));
    Box::leak(Box::new(HostServices {
        size: size_of::<HostServices>() as u32,
        abi_minor: ABI_MINOR,
        ctx: std::ptr::from_ref(context).cast_mut().cast(),
        log_enabled: Some(log_enabled),
        log: Some(log),
        metric_register: Some(metric_register),
        metric_update: Some(metric_update),
        complete: Some(complete),
        shutting_down: Some(shutting_down),
        now_ns: Some(now_ns),
    }))
}

/// Runs a service for a plugin; a panic of ours (of a layer of the log, say) does not go into the plugin.
///
/// # Safety
/// `ctx` is the context that the plugin was given.
unsafe fn serve<T>(ctx: *mut c_void, otherwise: T, work: impl FnOnce(&'static Context) -> T) -> T {
    // SAFETY: leaked by `of`.
    let context = unsafe { &*ctx.cast::<Context>() };
    if is_closed() {
        return otherwise;
    }
    catch_unwind(AssertUnwindSafe(|| work(context))).unwrap_or(otherwise)
}

/// The target of all records of plugins; their own target is a field.
macro_rules! at_level {
    ($level:expr, $macro:ident, $($arguments:tt)*) => {
        match $level {
            LOG_ERROR => Some(tracing::$macro!(target: "batchmill::plugin", tracing::Level::ERROR, $($arguments)*)),
            LOG_WARN => Some(tracing::$macro!(target: "batchmill::plugin", tracing::Level::WARN, $($arguments)*)),
            LOG_INFO => Some(tracing::$macro!(target: "batchmill::plugin", tracing::Level::INFO, $($arguments)*)),
            LOG_DEBUG => Some(tracing::$macro!(target: "batchmill::plugin", tracing::Level::DEBUG, $($arguments)*)),
            LOG_TRACE => Some(tracing::$macro!(target: "batchmill::plugin", tracing::Level::TRACE, $($arguments)*)),
            _ => None,
        }
    };
}

unsafe extern "C" fn log_enabled(ctx: *mut c_void, level: u32, _: Text) -> i32 {
    // SAFETY: the context that we gave.
    unsafe { serve(ctx, 0, |_| i32::from(at_level!(level, enabled,).unwrap_or(false))) }
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, target: Text, message: Text, fields: Text) {
    // SAFETY: the context that we gave; text of the plugin for this call.
    unsafe {
        serve(ctx, (), |context| {
            let (target, message, fields) = (text::read(target), text::read(message), text::read(fields));
            let (plugin, origin, fields) = (&*context.plugin, &*target, &*fields);
            let message = one_line(&message);
            if fields.is_empty() {
                at_level!(level, event, plugin, origin, "{message}");
            } else {
                at_level!(level, event, plugin, origin, fields, "{message}");
            }
        });
    }
}

/// A record is one line whatever a plugin writes.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(10_000).collect()
}

unsafe extern "C" fn metric_register(ctx: *mut c_void, kind: u32, name: Text, labels: Text) -> u64 {
    // SAFETY: the context that we gave; text of the plugin for this call.
    unsafe { serve(ctx, 0, |context| context.register(kind, &text::read(name), &text::read(labels))) }
}

impl Context {
    fn register(&self, kind: u32, name: &str, labels: &str) -> u64 {
        if !is_metric(name) || name.starts_with("batchmill_") {
            tracing::warn!(plugin = self.plugin, metric = name, "a metric of a plugin has a name that it cannot have");
            return 0;
        }
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, name.to_owned(), labels.to_owned());
        if let Some(id) = series.known.get(&key) {
            return *id;
        }
        if series.all.len() >= SERIES_MAX {
            if !std::mem::replace(&mut series.told_full, true) {
                tracing::warn!(
                    plugin = self.plugin,
                    "a plugin has more than {SERIES_MAX} time series: further ones are not kept"
                );
            }
            return 0;
        }
        if !matches!(kind, METRIC_COUNTER | METRIC_GAUGE | METRIC_HISTOGRAM) {
            return 0;
        }
        series.all.push(Metric { kind, key: self.key(name, labels), handle: None });
        let id = series.all.len() as u64;
        series.known.insert(key, id);
        id
    }

    fn key(&self, name: &str, labels: &str) -> Key {
        let mut all = vec![Label::new("plugin", self.plugin.clone())];
        if let Ok(Value::Object(labels)) = serde_json::from_str::<Value>(labels) {
            let is_own = |name: &String| name != "plugin" && is_name(&name.to_lowercase().replace('-', "_"));
            all.extend(labels.into_iter().filter(|(name, _)| is_own(name)).map(|(name, value)| match value {
                Value::String(value) => Label::new(name, value),
                other => Label::new(name, other.to_string()),
            }));
        }
        Key::from_parts(name.to_owned(), all)
    }

    fn update(&self, id: u64, operation: u32, value: f64) {
        let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let handle = {
            let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            place.and_then(|place| series.all.get_mut(place)).map(Metric::handle)
        };
        match (handle, operation) {
            (Some(Handle::Counter(counter)), METRIC_ADD) => counter.increment(whole(value)),
            (Some(Handle::Counter(counter)), METRIC_SET) => counter.absolute(whole(value)),
            (Some(Handle::Gauge(gauge)), METRIC_ADD) => gauge.increment(value),
            (Some(Handle::Gauge(gauge)), METRIC_SET) => gauge.set(value),
            (Some(Handle::Histogram(histogram)), METRIC_RECORD) => histogram.record(value),
            _ => {}
        }
    }
}

impl Metric {
    fn handle(&mut self) -> Handle {
        const METADATA: Metadata<'static> = Metadata::new("batchmill::plugin", Level::INFO, None);
        let Self { kind, key, handle } = self;
        let make = || match *kind {
            METRIC_COUNTER => Handle::Counter(with_recorder(|recorder| recorder.register_counter(key, &METADATA))),
            METRIC_GAUGE => Handle::Gauge(with_recorder(|recorder| recorder.register_gauge(key, &METADATA))),
            _ => Handle::Histogram(with_recorder(|recorder| recorder.register_histogram(key, &METADATA))),
        };
        handle.get_or_insert_with(make).clone()
    }
}

fn is_metric(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as casts are meant to be here: saturating"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

unsafe extern "C" fn metric_update(ctx: *mut c_void, id: u64, operation: u32, value: f64) {
    // SAFETY: the context that we gave.
    unsafe { serve(ctx, (), |context| context.update(id, operation, value)) }
}

unsafe extern "C" fn complete(ctx: *mut c_void, ticket: u64, completion: *const Completion) {
    // SAFETY: the context that we gave; a completion and its text for this call.
    unsafe {
        serve(ctx, (), |context| {
            let Some(raw) = read_sized(completion) else { return };
            let answer = Answer { status: raw.status, value: raw.value, message: text::read(raw.message).into_owned() };
            if !tickets::complete(&context.plugin, ticket, answer) {
                counter!("batchmill_plugin_wrong_answers_total", "name" => context.plugin.clone()).increment(1);
                tracing::debug!(plugin = context.plugin, ticket, "a plugin completed a call that is not open");
            }
        });
    }
}

unsafe extern "C" fn shutting_down(_: *mut c_void) -> i32 {
    i32::from(is_closed())
}

unsafe extern "C" fn now_ns(_: *mut c_void) -> u64 {
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
