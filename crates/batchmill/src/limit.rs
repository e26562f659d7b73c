//! Limits of jobs with one key.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use batchmill_core::{IdError, Key, LimitId, LimitKey, LimitKeys, Problem, Rate};
use batchmill_executor::{BreakerSettings, LimitSettings, RateSettings};

use crate::BatchJob;

/// The key of a job; `None` where the limit does not apply to it.
type KeyOf = Arc<dyn Fn(&BatchJob) -> Option<String> + Send + Sync>;

/// What may start of the jobs with one key: several limits may apply to a job, and all must let it start. A job that waits for
/// one holds no slot and keeps nobody else from starting.
///
/// ```
/// use std::time::Duration;
/// use batchmill::{BatchExecutor, Limit};
///
/// let per_host = Limit::by("host", |job| job.input.get("host")?.as_str().map(str::to_owned))
///     .concurrency(4)
///     .rate("60/m", 5)
///     .breaker(5, Duration::from_secs(30));
/// BatchExecutor::builder().limit(per_host).build().unwrap();
/// ```
#[derive(Clone)]
#[must_use]
pub struct Limit {
    name: String,
    key: Option<KeyOf>,
    concurrency: Option<u32>,
    rate: Option<(String, u32)>,
    breaker: Option<(u32, Duration)>,
    pauses: Option<bool>,
}

impl Limit {
    /// A limit of all jobs of a batch together.
    pub fn of_all(name: impl Into<String>) -> Self {
        Self { name: name.into(), key: None, concurrency: None, rate: None, breaker: None, pauses: None }
    }

    /// A limit of the jobs for which `key` yields the same; it does not apply where that is `None`. A key has 1 to 256 bytes and
    /// no control characters.
    pub fn by(name: impl Into<String>, key: impl Fn(&BatchJob) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { key: Some(Arc::new(key)), ..Self::of_all(name) }
    }

    /// Attempts of one key that run at once. Must not be 0.
    pub fn concurrency(mut self, most: u32) -> Self {
        self.concurrency = Some(most);
        self
    }

    /// Starts of one key in a time, such as `60/m`, of which `burst` may come at once. Must not be 0.
    pub fn rate(mut self, rate: impl Into<String>, burst: u32) -> Self {
        self.rate = Some((rate.into(), burst));
        self
    }

    /// After so many failures of one key in a row nothing of it starts for `cooldown`; then one attempt is tried.
    pub fn breaker(mut self, failures: u32, cooldown: Duration) -> Self {
        self.breaker = Some((failures, cooldown));
        self
    }

    /// Whether the wait that a failed attempt was asked for is one of its whole key: it is where there is a rate.
    pub fn pauses(mut self, pauses: bool) -> Self {
        self.pauses = Some(pauses);
        self
    }

    /// The limit as dispatch takes it; everything that is wrong is told below `limit`.
    pub(crate) fn settings(&self, problems: &mut Vec<Problem>) -> LimitSettings {
        let mut settings = LimitSettings::new(self.name.clone());
        let wrong = |what: &str, message: &str| Problem::new(["limit", &self.name, what], message);
        let mut number = |what: &str, number: u32| {
            NonZeroU32::new(number).unwrap_or_else(|| {
                problems.push(wrong(what, "must be at least 1, found 0"));
                NonZeroU32::MIN
            })
        };
        settings.has_key = self.key.is_some();
        settings.concurrency = self.concurrency.map(|most| number("concurrency", most));
        if let Some((failures, cooldown)) = self.breaker {
            settings.breaker = Some(BreakerSettings::new(number("breaker", failures), cooldown));
        }
        if let Some((rate, burst)) = &self.rate {
            let burst = number("burst", *burst);
            match rate.parse::<Rate>() {
                Ok(rate) => settings.rate = Some(RateSettings::new(rate, burst)),
                Err(error) => problems.push(wrong("rate", &error.to_string())),
            }
        }
        if self.concurrency.is_none() && self.rate.is_none() && self.breaker.is_none() {
            problems.push(Problem::new(["limit", &self.name], "needs a concurrency, a rate or a breaker"));
        }
        settings.pauses = self.pauses.unwrap_or(self.rate.is_some());
        settings
    }
}

/// Every name once.
pub(crate) fn names(limits: &[Limit], problems: &mut Vec<Problem>) {
    let mut known = HashSet::new();
    for limit in limits.iter().filter(|limit| !known.insert(&limit.name)) {
        problems.push(Problem::new(["limit", &limit.name], "another limit has this name"));
    }
}

/// Makes the keys of jobs; equal ones are one.
#[derive(Debug, Default)]
pub(crate) struct Keys<'a> {
    limits: &'a [Limit],
    made: Vec<LimitKeys>,
    places: HashMap<LimitKeys, u32>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(limits: &'a [Limit]) -> Self {
        Self { limits, made: Vec::new(), places: HashMap::new() }
    }

    /// The place of what the limits make of a job, or the limit whose key is none.
    pub(crate) fn of(&mut self, job: &BatchJob) -> Result<u32, (String, IdError)> {
        let mut keys = Vec::new();
        for (limit, id) in self.limits.iter().zip(0..) {
            let Some(text) = limit.key.as_ref().and_then(|key| key(job)) else { continue };
            let key = Key::new(&text).map_err(|error| (limit.name.clone(), error))?;
            keys.push(LimitKey { limit: LimitId(id), key: Some(key), units: 1 });
        }
        let keys: LimitKeys = keys.into_iter().collect();
        if let Some(place) = self.places.get(&keys) {
            return Ok(*place);
        }
        // There are no more of them than jobs, whose number is checked.
        let place = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        self.made.push(keys.clone());
        self.places.insert(keys, place);
        Ok(place)
    }

    /// All that was made.
    pub(crate) fn finish(self) -> Vec<LimitKeys> {
        self.made
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("name", &self.name).field("has_key", &self.key.is_some()).finish_non_exhaustive()
    }
}
