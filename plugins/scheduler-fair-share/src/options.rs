//! The settings of `fair-share`.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::Problem;
use batchmill_plugin::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The weights that may be asked for. Further apart than this, a share would wait for longer than hosts live.
const WEIGHTS: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// How the slots are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// The weights of shares, by path: `{ research = 3, "research/alice" = 2 }`. A share with weight 3 gets three times
    /// as much as its neighbour with weight 1 while both have jobs waiting. A path is a tenant; a tenant such as
    /// `research/alice` is a share within `research`. 0.000001 to 1000000.
    pub weights: BTreeMap<String, f64>,
    /// The weight of every share that `weights` does not name. 0.000001 to 1000000.
    #[schemars(range(min = 0.000_001, max = 1_000_000.0))]
    pub default_weight: f64,
    /// What is divided: `time`, for which slots are held, `memory`, held for that time, or `cost`, as the jobs give it.
    pub charge: Charge,
    /// With `charge = "memory"`: the memory that a slot stands for. An attempt that held less, or of which nothing was
    /// measured, is charged as if it had held as much. `64MiB` where absent.
    pub slot_memory: Option<ByteSize>,
    /// Within a share: how much later a job of one priority more may be queued and still start first. `0s` is strict
    /// priority, without ageing.
    pub age_step: HumanDuration,
    /// After this time what a share used counts half. Above `0s` shares are divided by what they used over the last
    /// half-lives, in earlier batches of the same state directory too, and not only while they have jobs waiting. `0s`
    /// remembers nothing. 1s to 1 year.
    pub half_life: HumanDuration,
}

/// Half-lives that may be asked for, beside none.
const HALF_LIVES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 86_400);

/// The memory that a slot stands for, where nothing else is said.
pub(crate) const SLOT_MEMORY: ByteSize = ByteSize(64 << 20);

/// What a share is charged for its jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Charge {
    /// The time for which its attempts held their slots. Until that is known they are charged what jobs of that share
    /// usually take, times `cost`.
    #[default]
    Time,
    /// That time, multiplied with the most memory that its processes held at once, where that was measured: who holds
    /// much memory starts less often. Estimated and made up for as `time` is.
    Memory,
    /// The `cost` of its jobs, an attempt each, however long they run. With costs of 1 this divides the starts.
    Cost,
}

impl Default for Options {
    fn default() -> Self {
        let (weights, age_step) = (BTreeMap::new(), HumanDuration::from_secs(60));
        let half_life = HumanDuration::from_secs(0);
        let charge = Charge::default();
        Self { weights, default_weight: 1.0, charge, slot_memory: None, age_step, half_life }
    }
}

impl Options {
    /// The same with one more weight.
    #[must_use]
    pub fn weight(mut self, share: impl Into<String>, weight: f64) -> Self {
        self.weights.insert(share.into(), weight);
        self
    }

    /// The same with another `default_weight`.
    #[must_use]
    pub fn default_weight(mut self, weight: f64) -> Self {
        self.default_weight = weight;
        self
    }

    /// The same with another `charge`.
    #[must_use]
    pub fn charge(mut self, charge: Charge) -> Self {
        self.charge = charge;
        self
    }

    /// The same with another `slot_memory`, in bytes.
    #[must_use]
    pub fn slot_memory(mut self, bytes: u64) -> Self {
        self.slot_memory = Some(ByteSize(bytes));
        self
    }

    /// The same with another `age_step`.
    #[must_use]
    pub fn age_step(mut self, age_step: Duration) -> Self {
        self.age_step = age_step.into();
        self
    }

    /// The same with another `half_life`.
    #[must_use]
    pub fn half_life(mut self, half_life: Duration) -> Self {
        self.half_life = half_life.into();
        self
    }

    /// Everything that types do not say; empty when the options are good.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (share, weight) in &self.weights {
            let refused = [refused_path(share), refused(*weight)];
            problems.extend(refused.into_iter().flatten().map(|message| Problem::new(["weights", share], message)));
        }
        problems.extend(refused(self.default_weight).map(|message| Problem::new(["default_weight"], message)));
        problems.extend(self.refused_memory());
        if !self.half_life.0.is_zero() && !HALF_LIVES.contains(&self.half_life.0) {
            let message = "a half-life must be 1s to 365d, or `0s` for none";
            problems.push(Problem::new(["half_life"], message));
        }
        problems
    }

    fn refused_memory(&self) -> Option<Problem> {
        let by_memory = self.charge == Charge::Memory;
        let message = match self.slot_memory {
            Some(_) if !by_memory => "`slot_memory` says something of `charge = \"memory\"`, and `charge` is another",
            Some(ByteSize(0)) => "must be above 0: a slot that holds no memory is still one that others wait for",
            _ => return None,
        };
        Some(Problem::new(["slot_memory"], message))
    }
}

/// Why this can not name a share in the config.
pub(crate) fn refused_path(share: &str) -> Option<String> {
    let is_bad = share.split('/').any(str::is_empty);
    is_bad.then(|| "a share is a path such as `org/team`, without empty parts".to_owned())
}

/// Why this can not be a weight.
pub(crate) fn refused(weight: f64) -> Option<String> {
    let mend = "to keep a tenant from running, do not submit its jobs";
    match WEIGHTS.contains(&weight) {
        true => None,
        false if weight == 0.0 => Some(format!("a weight must be above 0 (0.000001 to 1000000), found 0; {mend}")),
        false => Some(format!("a weight must be 0.000001 to 1000000, found {weight}")),
    }
}
