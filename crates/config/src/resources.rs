//! Memory, CPUs and swap: what holds attempts back, and what of it contradicts itself.

use std::num::NonZeroU32;

use batchmill_plugin::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cpus, Percent};

/// What holds attempts back while memory, CPUs or swap have no room for more. What is about memory takes effect with
/// `executor.memory_limit`; the rest is off unless given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// From this share of memory on one attempt more starts every quarter of a second.
    pub slow_at: Percent<100>,
    /// From here on half as many run as did.
    pub shrink_at: Percent<100>,
    /// From here on nothing starts while something runs.
    pub stop_at: Percent<100>,
    /// From here on nothing starts, and the newest attempt with a process that may be repeated is ended and runs again.
    pub kill_at: Percent<100>,
    /// A job that was ended so often for want of memory fails when it is ended once more.
    pub kill_limit: NonZeroU32,
    /// From this load on attempts become fewer: tasks that run or wait for a CPU, in percent of the CPUs available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_load: Option<Percent<10_000>>,
    /// From so many bytes a second on that go out to swap and come back, attempts become fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_swap: Option<ByteSize>,
    /// From this share of time on in which some task waits for memory (PSI), attempts become fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_stall: Option<Percent<100>>,
    /// A job that does not fit beside what runs is passed over for so long; then what it needs is kept for it.
    pub reserve_after: HumanDuration,
    /// How much processes give way to others: 0 as the host, 19 the most. A node may have its own.
    pub nice: Nice,
    /// How many CPUs all processes together may keep busy, such as 1.5: a quota of a control group, where the host may make one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_max: Option<Cpus>,
}

/// How much a process gives way to others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Nice(#[schemars(range(max = 19))] u8);

impl Nice {
    /// 0 to 19.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Nice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let nice = u8::try_from(number).ok().filter(|nice| *nice <= 19);
        nice.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{number} is out of range; write 0 to 19")))
    }
}

impl Default for Resources {
    fn default() -> Self {
        const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
        Self {
            slow_at: Percent::of(70),
            shrink_at: Percent::of(80),
            stop_at: Percent::of(90),
            kill_at: Percent::of(95),
            kill_limit: FIVE,
            max_load: None,
            max_swap: None,
            max_memory_stall: None,
            reserve_after: HumanDuration::from_secs(300),
            nice: Nice::default(),
            cpu_max: None,
        }
    }
}

impl Resources {
    /// The rungs of memory, lowest first, by their keys.
    fn rungs(&self) -> [(&'static str, Percent<100>); 4] {
        [("slow_at", self.slow_at), ("shrink_at", self.shrink_at), ("stop_at", self.stop_at), ("kill_at", self.kill_at)]
    }

    /// Two keys that contradict each other, the higher rung first, with why.
    pub(crate) fn contradictions(&self) -> Vec<(&'static str, &'static str, String)> {
        let rungs = self.rungs();
        let falls = rungs.windows(2).filter(|pair| pair[0].1 >= pair[1].1);
        let told = |pair: &[(&'static str, Percent<100>)]| {
            let [(lower, low), (higher, high)] = [pair[0], pair[1]];
            (higher, lower, format!("`resources.{higher}`, {high}, is not above `resources.{lower}`, which is {low}"))
        };
        falls.map(told).collect()
    }
}
